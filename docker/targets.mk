# Day-to-day commands of the containers. Compose v2 where it is, docker-compose 1.29 otherwise.
DOCKER ?= $(if $(wildcard /usr/bin/docker),/usr/bin/docker,docker)
COMPOSE ?= $(shell $(DOCKER) compose version >/dev/null 2>&1 && echo "$(DOCKER) compose" || echo docker-compose)
DC = $(COMPOSE) --project-name $(PROJECT) --env-file .env --file docker/compose.yml
PROJECT ?= vitrine
IMAGE ?= vitrine:latest
# Options of the image's build, such as IMAGE_ARGS="--build-arg CARGO_PROFILE=bench-fast".
IMAGE_ARGS ?=
# The file that `make restore` reads, inside the volume of backups.
BACKUP ?=

.PHONY: env image offline-bases up up-demo start stop restart down logs ps health migrate seed backup restore reset wipe

env: ## make .env and the secrets of the containers, once
	@docker/env.sh

image: ## build the container image
	DOCKER_BUILDKIT=1 $(DOCKER) build $(IMAGE_ARGS) --build-arg VITRINE_COMMIT=$$(git rev-parse --short HEAD 2>/dev/null || echo unknown) \
		--file docker/Dockerfile --tag $(IMAGE) .

offline-bases: ## stand-ins for the base images, where no image registry can be reached
	@DOCKER=$(DOCKER) docker/offline-bases.sh

up: ## start the tool database and the gateway, wait until both are healthy
	@test -e .env || { echo 'no .env: run `make env`, then set VITRINE_CUSTOMER_URL in it' >&2; exit 1; }
	$(DC) up --detach
	@docker/wait-healthy.sh $(DOCKER) $(PROJECT)

up-demo: env ## the same with a sample customer database
	$(DC) --profile demo up --detach
	@docker/wait-healthy.sh $(DOCKER) $(PROJECT)

start: ## start stopped containers
	$(DC) start
	@docker/wait-healthy.sh $(DOCKER) $(PROJECT)

stop: ## stop the containers, data stay
	$(DC) stop

restart: ## stop and start the gateway
	$(DC) restart vitrine
	@docker/wait-healthy.sh $(DOCKER) $(PROJECT)

down: ## remove the containers, data stay
	$(DC) --profile demo down --remove-orphans

logs: ## follow the logs
	$(DC) logs --follow --tail 100

ps: ## what runs
	$(DC) ps

health: ## status of each part
	$(DC) exec -T vitrine vitrine health --verbose

migrate: ## bring the tool database's schema up to date
	$(DC) run --rm -T vitrine migrate

seed: ## fill an empty store from config/seed
	$(DC) run --rm -T vitrine seed

backup: ## back the tool database up into the volume of backups
	$(DC) run --rm -T vitrine backup --verify --output /backup/insights-$$(date -u +%Y%m%dT%H%M%SZ).dump

restore: ## put a backup back: make restore BACKUP=/backup/FILE.dump
	@test -n "$(BACKUP)" || { echo 'say which: make restore BACKUP=/backup/FILE.dump' >&2; exit 1; }
	$(DC) run --rm -T vitrine restore --overwrite "$(BACKUP)"

reset: ## empty the tool database and make its schema again
	$(DC) run --rm -T vitrine reset --yes
	$(DC) restart vitrine

wipe: ## remove containers, networks and every volume: all data of the tool database, backups included
	$(DC) --profile demo down --volumes --remove-orphans

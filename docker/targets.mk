# Day-to-day commands of the containers. Compose v2 where it is, docker-compose 1.29 otherwise.
DOCKER ?= $(if $(wildcard /usr/bin/docker),/usr/bin/docker,docker)
COMPOSE ?= $(shell $(DOCKER) compose version >/dev/null 2>&1 && echo "$(DOCKER) compose" || echo docker-compose)
DC = $(COMPOSE) --project-name $(PROJECT) --env-file .env --file docker/compose.yml
PROJECT ?= vitrine
IMAGE ?= vitrine:latest
# Options of the image's build, such as IMAGE_ARGS="--build-arg CARGO_PROFILE=bench-fast".
IMAGE_ARGS ?=
# Where `make backup` leaves a copy, and the file that `make restore` takes.
BACKUPS ?= backups
BACKUP ?=
# A user of the gateway, whose password `make user` reads from standard input.
NAME ?=
# What a key of the HTTP API allows: read, write, admin.
SCOPES ?= read,write
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
GATEWAY = $$($(DC) ps -q vitrine | head -n 1)

.PHONY: env image offline-bases up up-demo start stop restart reload down logs ps health migrate seed doctor verify \
	key user backup restore reset upgrade wipe test-image

env: ## make .env and the secrets of the containers, once
	@docker/env.sh

image: ## build the container image
	DOCKER_BUILDKIT=1 $(DOCKER) build $(IMAGE_ARGS) --build-arg VITRINE_VERSION=$(VERSION) \
		--build-arg VITRINE_COMMIT=$$(git rev-parse --short HEAD 2>/dev/null || echo unknown) --file docker/Dockerfile --tag $(IMAGE) .

offline-bases: ## stand-ins for the base images, where no image registry can be reached
	@DOCKER=$(DOCKER) docker/offline-bases.sh

up: ## start the tool database and the gateway (and the sample, where .env says so), wait until all serve
	@test -e .env || { echo 'no .env: run `make env`, then set VITRINE_CUSTOMER_URL in it' >&2; exit 1; }
	@$(DOCKER) info >/dev/null 2>&1 || { echo 'no Docker engine answers: start it (systemctl start docker), or name another one in DOCKER_HOST' >&2; exit 1; }
	$(DC) up --detach
	@docker/wait-healthy.sh $(DOCKER) $(PROJECT)

up-demo: env up ## make .env with a sample customer database, and start

start: ## start stopped containers
	$(DC) start
	@docker/wait-healthy.sh $(DOCKER) $(PROJECT)

stop: ## stop the containers, data stay
	$(DC) stop

restart: ## stop and start the gateway
	$(DC) restart vitrine
	@docker/wait-healthy.sh $(DOCKER) $(PROJECT)

reload: ## read users, certificate and policy again
	$(DC) kill -s HUP vitrine

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

doctor: ## what the role of the customer database could do
	$(DC) run --rm -T vitrine doctor

verify: ## attack the customer database through the gateway, and report
	$(DC) run --rm -T vitrine verify

key: ## make a key of the HTTP API: make key NAME=tenant SCOPES=read,write,admin
	@$(DC) run --rm -T vitrine key create --label make --tenant $(or $(NAME),default) --scopes $(SCOPES)

user: ## make user NAME=analyst < password.txt: a line in the users file of production
	@test -n "$(NAME)" || { echo 'say which: make user NAME=analyst < password.txt' >&2; exit 1; }
	@$(DOCKER) run --rm --interactive --network none $(IMAGE) hash-password --user "$(NAME)" >>docker/secrets/gateway/users

backup: ## back the tool database up, prove it by a restore, and copy it to ./backups
	@mkdir -p $(BACKUPS) && chmod 0700 $(BACKUPS)
	@name=insights-$$(date -u +%Y%m%dT%H%M%SZ).dump; \
	$(DC) run --rm -T vitrine backup --verify --output /backup/$$name; \
	for file in $$name $$name.manifest.json; do $(DOCKER) cp $(GATEWAY):/backup/$$file $(BACKUPS)/; done; \
	echo "$(BACKUPS)/$$name"

restore: ## put a backup back: make restore BACKUP=backups/FILE.dump
	@test -f "$(BACKUP)" || { echo 'say which: make restore BACKUP=backups/FILE.dump' >&2; exit 1; }
	@gateway=$(GATEWAY); cd $(dir $(BACKUP)) && tar --mode=0644 -c $(notdir $(BACKUP)) $(notdir $(wildcard $(BACKUP).manifest.json)) | $(DOCKER) cp - $$gateway:/backup
	$(DC) run --rm -T vitrine restore --overwrite /backup/$(notdir $(BACKUP))

reset: ## empty the tool database and make its schema again
	$(DC) run --rm -T vitrine reset --yes
	$(DC) restart vitrine
	@docker/wait-healthy.sh $(DOCKER) $(PROJECT)

upgrade: ## put the image that .env names in the place of the running gateway, sessions finish first
	@docker/upgrade.sh $(DOCKER) $(PROJECT) $(DC)

wipe: ## remove containers, networks and every volume: all data of the tool database (./backups stays)
	$(DC) --profile demo down --volumes --remove-orphans

test-image: ## build the image and try the whole stack, on a Docker engine of its own where none runs
	@docker/test/run

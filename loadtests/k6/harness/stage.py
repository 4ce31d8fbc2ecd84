"""Everything that a load test needs, started and stopped: customer database, tool database, shaper, gateway."""
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.request

import servers

from . import ports
from .postgres import READER, READER_PASSWORD, SAMPLE, Postgres, customer_template, own
from .shaper import Shaper

USER, PASSWORD, TENANT, RIVAL = "analyst", "look", "acme", "rival"


class Stage:
    """A context: leaving it stops and removes everything."""

    def __init__(self, binary, cache, shaped=False, tls=False, environment=None):
        self.binary, self.cache, self.shaped, self.tls = binary, cache, shaped, tls
        self.extra = environment or {}
        self.folder = tempfile.mkdtemp(prefix="vitrine-load-")
        os.chmod(self.folder, 0o755)
        own(self.folder)
        self.gateways, self.shaper, self.customer, self.tool = [], None, None, None
        # Where what the gateways logged is kept.
        self.kept_log = None

    def __enter__(self):
        try:
            self.open()
            return self
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    def open(self):
        os.makedirs(self.cache, exist_ok=True)
        self.customer = Postgres(self.folder, "customer", customer_template(self.cache))
        self.tool = Postgres(self.folder, "tool")
        for server in (self.customer, self.tool):
            server.start()
        self.tool.psql("postgres", "CREATE ROLE keeper LOGIN SUPERUSER")
        self.tool.psql("postgres", "CREATE DATABASE insights OWNER keeper")
        if self.shaped:
            self.shaper = Shaper(self.customer.port)
        if self.tls:
            self.certificate()
        self.ports = {name: ports.free() for name in ("sql", "http", "admin")}
        self.command("migrate")
        self.key = self.make_key(TENANT, "read,write,admin")
        self.read_key = self.make_key(TENANT, "read")
        self.rival_key = self.make_key(RIVAL, "read,write,admin")
        self.start_gateway()
        self.rival_insight = self.plant()

    def close(self):
        for process in self.gateways:
            if process.poll() is None:
                process.terminate()
        for process in self.gateways:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.kept_log and os.path.exists(self.gateway_log):
            shutil.copyfile(self.gateway_log, self.kept_log)
        if self.shaper:
            self.shaper.close()
        for server in (self.customer, self.tool):
            if server:
                server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def certificate(self):
        servers.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                     "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                     "-keyout", f"{self.folder}/gateway.key", "-out", f"{self.folder}/gateway.crt"])

    def environment(self):
        upstream = self.shaper.port if self.shaper else self.customer.port
        settings = {
            "PATH": os.environ["PATH"],
            "VITRINE_MODE": "development", "VITRINE_POSTURE": "strict", "VITRINE_LOG": "json", "VITRINE_LOG_LEVEL": "warn",
            "VITRINE_LISTEN": f"127.0.0.1:{self.ports['sql']}", "VITRINE_ADMIN_LISTEN": f"127.0.0.1:{self.ports['admin']}",
            "VITRINE_CUSTOMER_URL": self.customer.url(READER, READER_PASSWORD, "shop", upstream),
            "VITRINE_USERS": f"{USER}:{PASSWORD}", "VITRINE_POLICY": str(SAMPLE / "policy.toml"),
            "VITRINE_INSIGHTS_URL": self.tool.url("keeper", "none", "insights"),
            "VITRINE_INSIGHTS_LISTEN": f"127.0.0.1:{self.ports['http']}", "VITRINE_INSIGHTS_TENANTS": f"{USER}:{TENANT}",
            # The load has one key: its own limit is not the question.
            "VITRINE_INSIGHTS_KEY_REQUESTS_PER_S": "0", "VITRINE_INSIGHTS_TENANT_REQUESTS_PER_S": "0",
            "VITRINE_SERVER_RUN_DIR": os.path.join(self.folder, "run"),
        }
        if self.tls:
            settings |= {"VITRINE_TLS_CERT": f"{self.folder}/gateway.crt", "VITRINE_TLS_KEY": f"{self.folder}/gateway.key"}
        return settings | self.extra

    def command(self, *arguments):
        done = subprocess.run([self.binary, *arguments], env=self.environment(), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        if done.returncode:
            raise SystemExit(f"vitrine {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def make_key(self, tenant, scopes):
        said = self.command("key", "--tenant", tenant, "create", "--label", scopes.replace(",", " "), "--scopes", scopes)
        return next(word for word in said.split() if word.startswith("vtr_"))

    def start_gateway(self, *arguments):
        """One more process; with `--upgrade` it takes the sockets of the last one."""
        with open(self.gateway_log, "ab") as log:
            process = subprocess.Popen([self.binary, "serve", *arguments], env=self.environment(), stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, cwd=self.folder)
        self.gateways.append(process)
        end = time.monotonic() + 60
        while not (self.ready() and self.http_ready()):
            if process.poll() is not None or time.monotonic() > end:
                with open(self.gateway_log, errors="replace", encoding="utf-8") as log:
                    raise SystemExit(f"the gateway is not ready\n{log.read()[-3000:]}")
            time.sleep(0.05)
        return process

    @property
    def gateway_log(self):
        return os.path.join(self.folder, "gateway.log")

    @property
    def gateway(self):
        return self.gateways[-1]

    def fetch(self, port, path, key=None, body=None, method=None):
        scheme = "https" if self.tls and port == self.ports["http"] else "http"
        headers = {"Content-Type": "application/json", **({"If-None-Match": "*"} if method == "PUT" else {}), **({"Authorization": f"Bearer {key}"} if key else {})}
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{port}{path}", body, headers, method=method)
        context = ssl._create_unverified_context() if scheme == "https" else None
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.read().decode()

    def ready(self):
        try:
            self.fetch(self.ports["admin"], "/readyz")
            return True
        except OSError:
            return False

    def http_ready(self):
        try:
            self.fetch(self.ports["http"], "/v1/capabilities", self.key)
            return True
        except OSError:
            return False

    def plant(self):
        """Something of somebody else's, which the load must not see."""
        port, kind = self.ports["http"], b'{"description": "of the rival", "schema": {}}'
        self.fetch(port, "/v1/kinds/secret", self.rival_key, kind, "PUT")
        body = b'{"kind": "secret", "title": "secret of the rival", "payload": {}}'
        return json.loads(self.fetch(port, "/v1/insights", self.rival_key, body))["id"]

    def metrics(self):
        """What the gateway counts, summed over labels."""
        totals = {}
        for line in self.fetch(self.ports["admin"], "/metrics").splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name = name.split("{")[0]
                totals[name] = totals.get(name, 0) + float(value)
        return totals

    def for_k6(self):
        """What the scripts need to know."""
        def dsn(port, user, database, password="none", tls=False):
            mode = "require" if tls else "disable"
            return (f"host=127.0.0.1 port={port} user={user} password={password} dbname={database} sslmode={mode} "
                    "connect_timeout=10")
        scheme = "https" if self.tls else "http"
        return {
            "GATEWAY_URL": dsn(self.ports["sql"], USER, "shop", PASSWORD, self.tls),
            "STORE_URL": dsn(self.ports["sql"], USER, "insights", PASSWORD, self.tls),
            # As the gateway's own role: rows that it may not see are in no answer.
            "DIRECT_URL": dsn(self.customer.port, READER, "shop", READER_PASSWORD),
            "WRITER_URL": dsn(self.customer.port, "postgres", "shop"),
            "HTTP_URL": f"{scheme}://127.0.0.1:{self.ports['http']}",
            "KEY": self.key, "READ_KEY": self.read_key, "RIVAL_INSIGHT": self.rival_insight,
        }

"""PostgreSQL servers of a load test: private, on free loopback ports, ended by their own process ids."""
import hashlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

import servers

from . import ports

ROOT = pathlib.Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "proxy/src/demo/sample"
READER, READER_PASSWORD = "vitrine_reader", "reads"
SETTINGS = {
    "listen_addresses": "127.0.0.1", "max_connections": 300, "shared_buffers": "256MB", "fsync": "off", "jit": "off",
    "max_wal_size": "4GB", "maintenance_work_mem": "256MB", "logging_collector": "off",
    # What an attack would leave behind if it came this far: statements that change something, and errors.
    "log_statement": "mod",
}


def account():
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def own(path):
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)


class Postgres:
    """One server. `template` is a data directory to begin with."""

    def __init__(self, folder, name, template=None):
        self.folder, self.name, self.port = folder, name, ports.free()
        self.data, self.log = os.path.join(folder, name), os.path.join(folder, f"{name}.log")
        self.process = None
        if template:
            subprocess.run(["cp", "-a", "--reflink=auto", template, self.data], check=True)
        else:
            initdb(folder, self.data)

    def start(self):
        settings = {**SETTINGS, "port": self.port, "unix_socket_directories": self.folder}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with open(self.log, "ab") as log:
            command = [f"{servers.postgres_programs()}/postgres", "-D", self.data, *options]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                            **account())
        servers.await_port(self.process, self.port, "postgres", "postgres", self.log, 60)

    def stop(self, how=signal.SIGINT):
        """SIGINT is the fast shutdown: sessions are ended, nothing is lost."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def psql(self, database, sql=None, file=None):
        """The answer of one or more statements, unaligned, without heads."""
        command = ["psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres",
                   "-d", database, "-v", "ON_ERROR_STOP=1"]
        return servers.run([*command, "-1", "-f", str(file)] if file else [*command, "-c", sql]).strip()

    def url(self, user, password, database, port=None):
        return f"postgres://{user}:{password}@127.0.0.1:{port or self.port}/{database}"


def initdb(folder, data):
    servers.run([f"{servers.postgres_programs()}/initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync",
                 "-E", "UTF8"], cwd=folder, **account())
    # Administrators of the test come as they are; the gateway proves itself.
    with open(os.path.join(data, "pg_hba.conf"), "w", encoding="utf-8") as file:
        file.write(f"local all all trust\nhost all {READER} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")


def customer_template(cache):
    """A data directory with the sample customer database in it: made once, kept under `target`."""
    steps = [*sorted(SAMPLE.glob("[0-9]_*.sql")), pathlib.Path(__file__).with_name("pulse.sql")]
    digest = hashlib.sha256(servers.run([f"{servers.postgres_programs()}/postgres", "--version"]).encode())
    for step in steps:
        digest.update(step.read_bytes())
    kept = os.path.join(cache, f"customer-{digest.hexdigest()[:16]}")
    if os.path.isdir(kept):
        return kept
    for old in pathlib.Path(cache).glob("customer-*"):
        shutil.rmtree(old)
    began, folder = time.monotonic(), os.path.join(cache, f"making-{os.getpid()}")
    os.makedirs(folder)
    own(folder)
    # The server's account may have no way into the folders above: the making is elsewhere.
    with tempfile.TemporaryDirectory(prefix="vitrine-load-") as open_folder:
        os.chmod(open_folder, 0o755)
        own(open_folder)
        server = Postgres(open_folder, "customer")
        server.start()
        try:
            server.psql("postgres", f"SET password_encryption = 'scram-sha-256'; CREATE ROLE {READER} LOGIN CONNECTION LIMIT 100 PASSWORD '{READER_PASSWORD}'")
            server.psql("postgres", "CREATE DATABASE shop")
            for step in steps:
                server.psql("shop", file=step)
            server.psql("shop", "VACUUM (FREEZE, ANALYZE)")
        finally:
            server.stop()
        subprocess.run(["cp", "-a", server.data, f"{folder}/data"], check=True)
    os.rename(f"{folder}/data", kept)
    os.rmdir(folder)
    print(f"sample customer database made in {time.monotonic() - began:.0f} s, kept for the next run", flush=True)
    return kept

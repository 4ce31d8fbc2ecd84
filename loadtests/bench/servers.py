"""The servers under measurement, each private, on a free loopback port, ended by its own process id."""
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import wire

READER = "reader"
DATABASE = "bench"
POOL_SIZE = 32


class Endpoint:
    """Something pgbench can connect to. `pid` is the middle process; none for PostgreSQL itself."""

    def __init__(self, name, port, pid=0, database=DATABASE, script=None):
        self.name, self.port, self.pid, self.database, self.script = name, port, pid, database, script


class Stage:
    """All servers of one run and the folder they live in. A context: leaving it stops and removes everything."""

    def __init__(self, binary, scale, pgbouncer=True):
        self.binary, self.scale, self.pgbouncer = binary, scale, pgbouncer
        self.processes = []
        self.folder = tempfile.mkdtemp(prefix="vitrine-bench-")
        # PostgreSQL and pgbouncer refuse to run as root.
        self.account = "postgres" if os.geteuid() == 0 else None
        os.chmod(self.folder, 0o755)
        self.own(self.folder)

    def __enter__(self):
        try:
            self.start_postgres()
            if self.pgbouncer:
                self.start_pgbouncer()
            return self
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for name, process, how in reversed(self.processes):
            process.send_signal(how)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                print(f"{name} does not end: killed", flush=True)
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def own(self, path):
        if self.account:
            user = pwd.getpwnam(self.account)
            os.chown(path, user.pw_uid, user.pw_gid)

    def as_account(self):
        if not self.account:
            return {}
        user = pwd.getpwnam(self.account)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def spawn(self, name, command, how=signal.SIGTERM, **options):
        log = open(os.path.join(self.folder, f"{name}.log"), "wb")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        self.processes.append((name, process, how))
        return process

    def start_postgres(self):
        programs = postgres_programs()
        self.pg_port, data = free_port(), os.path.join(self.folder, "data")
        run([f"{programs}/initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"],
            cwd=self.folder, **self.as_account())
        settings = {
            "port": self.pg_port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder,
            "max_connections": 400, "shared_buffers": "512MB", "fsync": "off", "autovacuum": "off",
            "max_wal_size": "4GB", "logging_collector": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        postgres = self.spawn("postgres", [f"{programs}/postgres", "-D", data, *options], signal.SIGINT,
                              cwd=self.folder, **self.as_account())
        self.pg_pid = postgres.pid
        await_port(postgres, self.pg_port, "postgres", "postgres", self.log("postgres"))
        self.psql("postgres", f"CREATE ROLE {READER} LOGIN; CREATE DATABASE {DATABASE}")
        run(["pgbench", "-h", "127.0.0.1", "-p", str(self.pg_port), "-U", "postgres", "-i", "-q", "-I", "dtGvp",
             "-s", str(self.scale), DATABASE])
        self.psql(DATABASE, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}; CHECKPOINT")

    def psql(self, database, sql):
        for statement in sql.split(";"):
            run(["psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(self.pg_port), "-U", "postgres", "-d", database,
                 "-v", "ON_ERROR_STOP=1", "-c", statement])

    def start_pgbouncer(self):
        """One process; which upstream a client gets, it says by the database's name."""
        self.pgbouncer_port = free_port()
        version = pgbouncer_version()
        upstream = f"port={self.pg_port} dbname={DATABASE}"
        lines = [
            "[databases]",
            f"{DATABASE} = host=127.0.0.1 {upstream}",
            f"{DATABASE}_unix = host={self.folder} {upstream}",
            f"{DATABASE}_session = host=127.0.0.1 {upstream} pool_mode=session pool_size=300",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1", f"listen_port = {self.pgbouncer_port}", "unix_socket_dir =",
            "auth_type = trust",
            f"auth_file = {self.folder}/users.txt",
            "pool_mode = transaction", f"default_pool_size = {POOL_SIZE}", "max_client_conn = 4000",
            "ignore_startup_parameters = extra_float_digits", "log_connections = 0", "log_disconnections = 0",
        ]
        self.pgbouncer_prepares = version >= (1, 21)
        if self.pgbouncer_prepares:
            lines.append("max_prepared_statements = 200")
        for name, text in (("pgbouncer.ini", "\n".join(lines) + "\n"), ("users.txt", f'"{READER}" ""\n')):
            path = os.path.join(self.folder, name)
            with open(path, "w") as file:
                file.write(text)
            self.own(path)
        process = self.spawn("pgbouncer", [program("pgbouncer"), f"{self.folder}/pgbouncer.ini"],
                             cwd=self.folder, **self.as_account())
        await_port(process, self.pgbouncer_port, READER, DATABASE, self.log("pgbouncer"))
        self.pgbouncer_pid = process.pid

    def start_vitrine(self, name, unix, extra=None, binary=None):
        """The gateway, by environment alone. Returns where it listens."""
        port, run_dir = free_port(), os.path.join(self.folder, f"{name}.run")
        os.mkdir(run_dir, 0o700)
        host = f"{READER}@/{DATABASE}?host={self.folder}&port={self.pg_port}"
        url = f"postgres://{host}" if unix else f"postgres://{READER}@127.0.0.1:{self.pg_port}/{DATABASE}"
        environment = {
            "PATH": os.environ["PATH"], "VITRINE_CUSTOMER_URL": url, "VITRINE_LISTEN": f"127.0.0.1:{port}",
            "VITRINE_ADMIN_LISTEN": f"127.0.0.1:{free_port()}", "VITRINE_POOL_SIZE": str(POOL_SIZE),
            "VITRINE_SERVER_RUN_DIR": run_dir, "VITRINE_LOG_LEVEL": "warn",
            # What is kept from before is measured for itself.
            "VITRINE_CACHE_FRESHNESS": "off", **(extra or {}),
        }
        process = self.spawn(name, [binary or self.binary, "serve"], env=environment, cwd=self.folder)
        await_port(process, port, READER, DATABASE, self.log(name))
        return Endpoint(name, port, process.pid)

    def log(self, name):
        return os.path.join(self.folder, f"{name}.log")


def run(command, **options):
    """Runs to the end; what it said is shown only when it failed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=600, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(process, port, user, database, log, within_s=30):
    """Waits until a query is answered there."""
    end = time.monotonic() + within_s
    while True:
        try:
            with wire.Session(port, user, database) as session:
                session.query("SELECT 1")
                return
        except (OSError, EOFError, wire.Refused) as error:
            if time.monotonic() < end and process.poll() is None:
                time.sleep(0.1)
                continue
            with open(log, errors="replace") as text:
                raise SystemExit(f"nothing answers at port {port}: {error}\n{text.read()[-3000:]}") from error


def postgres_programs():
    """The folder of initdb and postgres, the newest version installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[4]), reverse=True)
    for folder in [os.environ.get("VITRINE_PG_BIN", ""), *found]:
        if os.access(f"{folder}/initdb", os.X_OK):
            return folder
    raise SystemExit("no PostgreSQL server programs found: install Debian's postgresql or set VITRINE_PG_BIN")


def program(name):
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if not found:
        raise SystemExit(f"{name} is missing")
    return found


def pgbouncer_version():
    words = run([program("pgbouncer"), "--version"]).split()
    return tuple(int(part) for part in words[1].split(".")[:2])

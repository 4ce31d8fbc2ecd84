"""What is there when the run is over: the customer's tables as they were, every acknowledged insight once."""
import collections
import json

ATTACK = "vitrine attack"
# What goes straight to PostgreSQL.
DIRECT = ("direct", "customer-writes")
# Tables by the application of the load are judged by their own rule: see `board`.
OWN_SCHEMAS = "('pg_catalog', 'information_schema', 'pg_toast', 'pulse')"
FACTS = """
    SELECT 'sequence ' || schemaname || '.' || sequencename, coalesce(last_value::text, 'unused') FROM pg_sequences
    UNION ALL SELECT 'relations', count(*) || ' ' || sum(hashtextextended(concat(relname, relkind, relacl, relowner), 0)) FROM pg_class
    UNION ALL SELECT 'functions', count(*) || ' ' || sum(hashtextextended(concat(proname, prosrc, proacl), 0)) FROM pg_proc
    UNION ALL SELECT 'columns', count(*)::text FROM pg_attribute
    UNION ALL SELECT 'comments', count(*) || ' ' || sum(hashtextextended(description, 0)) FROM pg_description
    UNION ALL SELECT 'triggers and rules', (SELECT count(*) FROM pg_trigger) || ' ' || (SELECT count(*) FROM pg_rewrite)
    UNION ALL SELECT 'roles', count(*) || ' ' || sum(hashtextextended(r::text, 0)) FROM pg_authid AS r
    UNION ALL SELECT 'settings', count(*) || ' ' || coalesce(sum(hashtextextended(setconfig::text, 0)), 0) FROM pg_db_role_setting
    UNION ALL SELECT 'extensions', count(*)::text FROM pg_extension
    UNION ALL SELECT 'large objects', count(*)::text FROM pg_largeobject_metadata
    ORDER BY 1"""


def evidence(customer):
    """Facts of the customer database by name, each table's rows and checksum among them; asked directly."""
    lines = customer.psql("shop", FACTS).splitlines()
    facts = dict(line.split("|", 1) for line in lines)
    tables = customer.psql("shop", f"""
        SELECT c.oid::regclass FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN {OWN_SCHEMAS} ORDER BY 1""").splitlines()
    sums = " UNION ALL ".join(
        f"SELECT 'table {table}', count(*) || ' rows ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM ONLY {table} AS t"
        for table in tables)
    return facts | dict(line.split("|", 1) for line in customer.psql("shop", sums).splitlines())


def changes(before, after):
    return [f"{name}: was {before.get(name)}, is {after.get(name)}" for name in sorted(before | after)
            if before.get(name) != after.get(name)]


def board(customer):
    """What is wrong with what the application wrote: nobody else may have."""
    wrong = customer.psql("shop", """
        SELECT count(*) FROM pulse.board AS b
        WHERE value <> md5(id || ':' || version) OR version <> (SELECT coalesce(max(version), 0) FROM pulse.written)""")
    return [] if wrong == "0" else [f"{wrong} rows of pulse.board are not what the application wrote"]


class Ledger:
    """The notes that the scripts left, one JSON a line."""

    def __init__(self, path):
        self.acknowledged, self.given_up, self.through, self.differing = {}, set(), [], []
        self.failures, self.attacks = collections.Counter(), collections.Counter()
        # Seconds since 1970 of everything that was not answered, but for what does not go through the gateway.
        self.failed_at, self.samples, self.strange = [], {}, []
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                self.take(line.strip())

    def take(self, line):
        try:
            note = json.loads(line)
        except ValueError:
            if line:
                self.strange.append(line)
            return
        kind = note.get("note")
        if kind == "ack":
            self.acknowledged[note["token"]] = note["door"]
        elif kind == "gave up":
            self.given_up.add(note["token"])
        elif kind == "attack":
            self.attacks[note["outcome"]] += 1
        elif kind == "through":
            self.through.append(f"{note['way']}: {note['text']}")
        elif kind == "differs":
            self.differing.append(f"{note['kind']}: {note['text']}")
        elif kind == "script error":
            self.strange.append(note["text"])
        elif kind == "not":
            key = (note["what"], note["outcome"])
            self.failures[key] += 1
            self.samples.setdefault(key, note["text"])
            if note["what"] not in DIRECT:
                self.failed_at.append(note["at"] / 1000)

    def insights(self, tool):
        """(stored, missing, doubled) against what was acknowledged, asked of the tool database directly."""
        rows = tool.psql("insights", "SELECT payload ->> 'token', count(*) FROM public.insights WHERE kind = 'load' AND tenant = 'acme' GROUP BY 1")
        stored = {token: int(count) for token, count in (line.rsplit("|", 1) for line in rows.splitlines())}
        missing = sorted(token for token in self.acknowledged if token not in stored)
        doubled = sorted(token for token, count in stored.items() if count > 1)
        return stored, missing, doubled


def rival(tool):
    """What is wrong with the insight of somebody else."""
    row = tool.psql("insights", "SELECT count(*), min(title), min(state) FROM public.insights WHERE tenant = 'rival'")
    return [] if row == "1|secret of the rival|current" else [f"the rival's insights were touched: {row}"]


def reached(customer):
    """Attacks that came as far as PostgreSQL, as its log has them."""
    with open(customer.log, encoding="utf-8", errors="replace") as log:
        return [line.strip() for line in log if ATTACK in line and "duration:" not in line]

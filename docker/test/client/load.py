"""Clients that keep asking, each with a connection as a driver's pool gives one, and what became of every query.

A pool learns that its connection is over when it uses it: it opens another one and says the query once more. That is safe
here: the gateway says 57P01 in place of an answer, and nothing writes. A query is lost when that fails too, when nobody
lets it in within `patience_s`, or when the answer is wrong.
"""
import json
import signal
import sys
import threading
import time

from pg import Gone, Refused, Session


class Client(threading.Thread):
    def __init__(self, number, place, patience_s, over):
        super().__init__(daemon=True)
        self.number, self.place, self.patience_s, self.over = number, place, patience_s, over
        self.session = None
        self.seen = {"queries": 0, "lost": 0, "again": 0, "connections": 0, "turned_away": 0, "longest_ms": 0}
        self.words = []

    def run(self):
        while not self.over.is_set():
            began = time.monotonic()
            self.ask()
            self.seen["queries"] += 1
            self.seen["longest_ms"] = max(self.seen["longest_ms"], round((time.monotonic() - began) * 1000))
            time.sleep(0.002)
        if self.session:
            self.session.close()

    def ask(self):
        """One query, which no cache has seen, with the answer it must have."""
        mark = f"{self.number}-{self.seen['queries']}"
        sql = f"SELECT '{mark}', count(*) FROM sales.orders WHERE id <= {self.seen['queries'] % 50}"
        for attempt in (1, 2):
            try:
                self.session = self.session or self.connect()
                answer = self.session.query(sql)
                if len(answer) == 1 and answer[0][0] == mark:
                    return
                self.words.append(f"wrong answer: {answer}")
                break
            except (Gone, Refused, OSError) as error:
                self.session = None
                if attempt == 1:
                    self.seen["again"] += 1
                else:
                    self.words.append(str(error))
        self.seen["lost"] += 1

    def connect(self):
        until = time.monotonic() + self.patience_s
        while True:
            try:
                session = Session(self.place, timeout_s=10)
                self.seen["connections"] += 1
                return session
            except (Gone, Refused, OSError):
                self.seen["turned_away"] += 1
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


def main():
    host, port, user, password, database, clients, patience_s = sys.argv[1:8]
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    place = (host, int(port), user, password, database)
    threads = [Client(number, place, float(patience_s), over) for number in range(int(clients))]
    for thread in threads:
        thread.start()
    print("running", flush=True)
    over.wait()
    for thread in threads:
        thread.join(float(patience_s) + 30)
    total = {key: sum(thread.seen[key] for thread in threads) for key in threads[0].seen}
    total["longest_ms"] = max(thread.seen["longest_ms"] for thread in threads)
    total["words"] = [word for thread in threads for word in thread.words][:5]
    print(json.dumps(total), flush=True)


main()

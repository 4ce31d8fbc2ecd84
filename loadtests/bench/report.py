"""Results as Markdown."""

COLUMNS = {
    "queries": [("tps", "tps", "{:.0f}"), ("x direct", "ratio", "{:.2f}"), ("p50 µs", "p50_us", "{:.0f}"),
                ("p99 µs", "p99_us", "{:.0f}"), ("middle CPU µs/query", "middle_us", "{:.1f}"),
                ("PostgreSQL CPU µs/query", "postgres_us", "{:.1f}"), ("middle PSS MB", "pss_mb", "{:.1f}"),
                ("foreign CPU", "foreign", "{:.2f}")],
    "connections": [("connections/s", "tps", "{:.0f}"), ("x direct", "ratio", "{:.1f}"),
                    ("middle CPU µs/connection", "middle_us", "{:.0f}"),
                    ("PostgreSQL CPU µs/connection", "postgres_us", "{:.0f}"), ("foreign CPU", "foreign", "{:.2f}")],
    "stream": [("MB/s", "mb_per_s", "{:.0f}"), ("x direct", "ratio", "{:.2f}"),
               ("middle CPU ms/100 MB", "cpu_ms_per_100_mb", "{:.0f}"), ("peak extra MB", "peak_extra_mb", "{:.1f}"),
               ("foreign and reader CPU", "foreign", "{:.2f}")],
    "idle": [("clients", "clients", "{:.0f}"), ("KB/client", "kb_per_client", "{:.1f}"),
             ("base MB", "base_mb", "{:.1f}"), ("after they left MB", "after_mb", "{:.1f}")],
}


def markdown(results):
    """All tables, each under its title."""
    parts = [f"{results['machine']}. {results['versions']}. {results['when']}; {results['method']}\n"]
    for section in results["sections"]:
        parts.append(f"### {section['title']}\n")
        parts.append(table(COLUMNS[section["kind"]], section["rows"]))
    return "\n".join(parts)


def table(columns, rows):
    lines = ["| | " + " | ".join(title for title, _, _ in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        if "failed" in row:
            lines.append(f"| {name} | {row['failed']} |" + " |" * (len(columns) - 1))
            continue
        cells = [pattern.format(row[key]) if row.get(key) is not None else "–" for _, key, pattern in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"

"""What must hold after every run, as sentences about what does not."""
from . import ending


def run(figures, ledger, ended):
    """Of the run itself. 99 is k6's code for crossed thresholds: breaking is what a breakpoint is for."""
    wrong = [] if ended == 0 or figures["scenario"] == "breakpoint" else [f"thresholds crossed: {', '.join(figures['crossed'])}"]
    wrong += [f"attack got through: {one}" for one in ledger.through[:20]]
    wrong += [f"answers differ: {one}" for one in ledger.differing[:5]]
    wrong += [f"nothing was answered: {row['what']}" for row in figures["rows"] if not row["ok"]]
    wrong += [f"the scripts: {line}" for line in ledger.strange[:5]]
    if not figures["compared"]["answers"] or not figures["attacks"]["tried"]:
        wrong.append("nothing was compared, or nothing attacked")
    return wrong


def standing(scene, figures, ledger, before):
    """Of what is there afterwards."""
    wrong = [f"the customer's data changed: {change}" for change in ending.changes(before, ending.evidence(scene.customer))]
    wrong += ending.board(scene.customer) + ending.rival(scene.tool)
    stored, missing, doubled = ledger.insights(scene.tool)
    wrong += [f"an acknowledged insight is gone: {token} ({ledger.acknowledged[token]})" for token in missing[:5]]
    wrong += [f"an insight is there twice: {token}" for token in doubled[:5]]
    figures["insights"] = {"acknowledged": len(ledger.acknowledged), "stored": len(stored), "missing": len(missing),
                           "doubled": len(doubled), "given_up": len(ledger.given_up)}
    if not ledger.acknowledged:
        wrong.append("no insight was acknowledged")
    figures["attacks"]["refused"] = dict(ledger.attacks.most_common())
    figures["attacks"]["reached_postgresql"] = ending.reached(scene.customer)
    return wrong

# SPDX-License-Identifier: Apache-2.0
"""The files of deploy/monitoring by themselves: promtool, and Grafana's rules for dashboards."""
import json
import pathlib
import shutil
import subprocess

import pytest
import yaml

MONITORING = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy/monitoring"


def promtool(*arguments):
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed: apt-get install --no-install-recommends prometheus")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False,
                          cwd=MONITORING)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules():
    promtool("check", "rules", "--lint=all", "--lint-fatal", "weft.rules.yaml")
    promtool("test", "rules", "weft.rules.test.yaml")


def test_every_alert_is_tested():
    rules = yaml.safe_load((MONITORING / "weft.rules.yaml").read_text(encoding="utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]
              if "alert" in rule}
    tests = yaml.safe_load((MONITORING / "weft.rules.test.yaml").read_text(encoding="utf-8"))
    fired = {one["alertname"] for test in tests["tests"] for one in test.get("alert_rule_test", [])
             if one.get("exp_alerts")}
    assert len(alerts) > 10 and fired == alerts


def test_scrape_configurations(tmp_path):
    promtool("check", "config", "prometheus-static.yaml")
    # Debian's Prometheus is built without the discovery of Kubernetes: all but that.
    path = MONITORING / "prometheus-kubernetes.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    job = config["scrape_configs"][0]
    assert job["job_name"] == "weftd"
    discovery = job.pop("kubernetes_sd_configs")
    daemonset = yaml.safe_load((MONITORING.parent / "daemonset.yaml").read_text(encoding="utf-8"))
    template = daemonset["spec"]["template"]
    name, value = discovery[0]["selectors"][0].pop("label").split("=")
    assert template["metadata"]["labels"][name] == value
    assert discovery == [{"role": "pod", "selectors": [{"role": "pod"}],
                          "namespaces": {"names": [daemonset["metadata"]["namespace"]]}}]
    ports = template["spec"]["containers"][0]["ports"]
    assert [port["name"] for port in ports] == [job["relabel_configs"][0]["regex"]]
    config["rule_files"] = [str(MONITORING / one) for one in config["rule_files"]]
    changed = tmp_path / "prometheus.yaml"
    changed.write_text(json.dumps(config), encoding="utf-8")
    promtool("check", "config", str(changed))


def test_nothing_of_it_is_installed_by_default():
    text = (MONITORING.parent / "kustomization.yaml").read_text(encoding="utf-8")
    assert "monitoring" not in text


def test_dashboard():
    text = (MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8")
    board = json.loads(text)
    panels = board["panels"]
    assert board["title"] and board["schemaVersion"] >= 36 and "__inputs" not in board
    variables = {one["name"]: one for one in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells
        targets = panel.get("targets", [])
        assert targets or panel["type"] == "row"
        assert len({one["refId"] for one in targets}) == len(targets)
        for one in [panel, *targets] if targets else []:
            assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    asked = " ".join(one["expr"] for panel in panels for one in panel.get("targets", []))
    assert "$namespace" in asked and set(variables) == {"datasource", "namespace"}

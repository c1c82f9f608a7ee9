#!/usr/bin/python3
"""Reads docker/compose.yaml and docker/example/compose.yaml with a real compose parser, for each documented
MongoDB, and checks what they mean.

Exit status 77: no parser is installed.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

# The second is Debian's; its python3-yaml reads what it prints.
PARSERS = (["docker", "compose"], ["docker-compose"])
VERSIONS = {"": "mongo:6", "7": "mongo:7", "8": "mongo:8"}


def find_parser():
    for parser in PARSERS:
        if shutil.which(parser[0]) and subprocess.run([*parser, "version"], capture_output=True).returncode == 0:
            return parser
    print("SKIPPED docker.compose: no compose parser. Install docker-compose (apt), then this test checks "
          "docker/compose.yaml.", file=sys.stderr)
    sys.exit(77)


def load(text, as_json):
    if as_json:
        return json.loads(text)
    import yaml  # a dependency of docker-compose 1, which writes nothing else

    return yaml.safe_load(text)


def parse(parser, folder, version):
    environment = {**os.environ, "MONGO_VERSION": version, "COMPOSE_PROFILES": "cli"}
    if not version:
        del environment["MONGO_VERSION"]
    help_text = subprocess.run([*parser, "config", "--help"], text=True, capture_output=True).stdout
    as_json = ["--format", "json"] if "--format" in help_text else []
    command = [*parser, "-f", str(folder / "compose.yaml"), "config", *as_json]
    done = subprocess.run(command, env=environment, text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return load(done.stdout, as_json)["services"]


def file_of(build):
    return pathlib.Path(build["context"]) / build.get("dockerfile", "Dockerfile")


def stages(dockerfile):
    return re.findall(r"^FROM .* AS (\w+)$", dockerfile.read_text(), re.M)


def waits_for(service):
    return {name: wanted["condition"] for name, wanted in service["depends_on"].items()}


def check_mongo(mongo, image):
    assert mongo["image"] == image, mongo["image"]
    assert "--replSet" in mongo["command"], mongo["command"]
    assert "rs.initiate" in json.dumps(mongo["healthcheck"]["test"]), mongo["healthcheck"]


def check_ours(service, after):
    """It is built here, waits for what it needs, and is told MONGODB_URI and nothing else."""
    assert waits_for(service) == {after: "service_healthy"}, service["depends_on"]
    assert list(service["environment"]) == ["MONGODB_URI"], service["environment"]
    assert "replicaSet=" in service["environment"]["MONGODB_URI"], service["environment"]
    assert file_of(service["build"]).is_file(), service["build"]
    target = service["build"].get("target")
    assert not target or target in stages(file_of(service["build"])), service["build"]


def source_of(mount):
    return pathlib.Path(mount["source"] if isinstance(mount, dict) else mount.split(":")[0])


def check_parameters(mongo, folder):
    """The server gets the file that sandboxes have their parameters from."""
    conf = folder.parent / "src" / "cli" / "sandbox" / "mongod.conf"
    assert [source_of(mount) for mount in mongo["volumes"]] == [conf] and conf.is_file(), mongo["volumes"]
    assert "--config" in mongo["command"], mongo["command"]


def check(services, image, folder):
    check_mongo(services["mongo"], image)
    check_parameters(services["mongo"], folder)
    check_ours(services["tests"], "mongo")
    check_ours(services["cli"], "mongo")
    for name in "tests", "cli":
        assert services[name]["build"]["args"]["BASE"] == "debian:bookworm-slim", services[name]["build"]


def check_example(services, image):
    check_mongo(services["mongo"], image)
    check_ours(services["pricing"], "mongo")
    check_ours(services["test"], "pricing")
    assert services["test"]["command"], services["test"]


def main(folder):
    parser = find_parser()
    for version, image in VERSIONS.items():
        check(parse(parser, folder, version), image, folder)
        check_example(parse(parser, folder / "example", version), image)
    print(f"read by {' '.join(parser)}: both files, MongoDB {', '.join(VERSIONS.values())}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())

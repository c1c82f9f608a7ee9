#!/usr/bin/python3
"""Reads docker/compose.yaml with a real compose parser, for each documented MongoDB, and checks what it means.

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


def check(services, image, stages):
    mongo, tests, cli = services["mongo"], services["tests"], services["cli"]
    assert mongo["image"] == image, mongo["image"]
    assert "--replSet" in mongo["command"], mongo["command"]
    assert "rs.initiate" in json.dumps(mongo["healthcheck"]["test"]), mongo["healthcheck"]
    for service in (tests, cli):
        assert service["depends_on"]["mongo"]["condition"] == "service_healthy", service["depends_on"]
        assert "replicaSet=" in service["environment"]["MONGODB_URI"], service["environment"]
        assert service["build"]["target"] in stages, service["build"]
        assert (pathlib.Path(service["build"]["context"]) / service["build"]["dockerfile"]).is_file(), service["build"]


def main(folder):
    parser = find_parser()
    stages = re.findall(r"^FROM .* AS (\w+)$", (folder / "Dockerfile").read_text(), re.M)
    for version, image in VERSIONS.items():
        check(parse(parser, folder, version), image, stages)
    print(f"read by {' '.join(parser)}: MongoDB {', '.join(VERSIONS.values())}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve())

"""Envoy whose filter comes from a watched file, so that its configuration may change while Envoy runs."""

import json
from pathlib import Path

from .envoy import TYPE, Envoy
from .kafka import KafkaCluster
from .process import wait_until

RESOURCE = "kafka"


class LiveEnvoy(Envoy):
    """`change` puts another configuration into the file. Without `live` there is no file, and the filter's
    configuration stands in Envoy's: for classes that inherit from this one."""

    def __init__(
        self,
        directory: Path,
        cluster: KafkaCluster,
        config: dict,
        mode: str = "dynamic",
        environment: dict | None = None,
        live: bool = True,
    ):
        self._watched = directory / "filter.json" if live else None
        super().__init__(directory, cluster, config, mode, environment)

    def change(self, section: str, value: object) -> None:
        """Puts a configuration with another section in the place of the watched one."""
        self.filter_config[section] = value
        self._write()

    def take(self, section: str, value: object) -> None:
        """As `change`, and waits until new connections get the configuration."""
        taken = self.updates("config_reload")
        self.change(section, value)
        wait_until("the new configuration", lambda: self.updates("config_reload") > taken, 10)

    def refuse(self, section: str, value: object) -> str:
        """As `change`, but the filter must refuse the configuration; gives the filter's line in the log."""
        failed, before = self.updates("config_fail"), self.filter_config[section]
        self.change(section, value)
        wait_until("the refusal", lambda: self.updates("config_fail") > failed, 10)
        self.filter_config[section] = before
        return self.logged("the configuration is refused")[-1]

    def logged(self, text: str) -> list[str]:
        return [line for line in self.log.read_text(errors="replace").splitlines() if text in line]

    def updates(self, outcome: str) -> float:
        """How many configurations were taken (`config_reload`) or refused
        (`config_fail`, `update_rejected`)."""
        lines = (line.partition(": ") for line in self._admin("/stats?filter=extension_config_discovery").splitlines())
        return sum(float(value) for name, _, value in lines if name.endswith(f".{outcome}"))

    def _wasm(self) -> dict:
        if not self._watched:
            return self._filter()
        self._write()
        discovery = {
            "config_source": {"path_config_source": {"path": str(self._watched)}},
            "type_urls": [TYPE + "filters.network.wasm.v3.Wasm"],
        }
        return {"name": RESOURCE, "config_discovery": discovery}

    def _filter(self) -> dict:
        """The filter as it stands in the file."""
        return super()._wasm()

    def _write(self) -> None:
        extension = {
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": RESOURCE,
            "typed_config": self._filter()["typed_config"],
        }
        new = self._watched.with_suffix(".new")
        new.write_text(json.dumps({"resources": [extension]}))
        new.rename(self._watched)

    def _bootstrap_config(self) -> dict:
        config = super()._bootstrap_config()
        config["node"] = {"id": "kafka", "cluster": "kafka"}
        return config

"""Creates the exporter to an OpenTelemetry collector, if one is configured. Its packages are an extra."""

from typing import TYPE_CHECKING

from relay.config import Config
from relay.errors import ConfigError

if TYPE_CHECKING:
    from relay.metrics.traces import Traces


def make_traces(config: Config) -> "Traces | None":
    """
    Return what sends the traces of tasks; null if no collector is configured.

    Raises:
        ConfigError: the package that they need is not installed.
    """
    if config.traces_url is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        from relay.metrics.traces import Traces
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: traces need the package {error.name}: pip install 'generation-relay[otel]'"
        ) from error
    return Traces(OTLPSpanExporter(f"{str(config.traces_url).rstrip('/')}/v1/traces"), node=config.node_name)

"""llama-server's own routes.

Source: tools/server/README.md of llama.cpp.
"""

from typing import Annotated

import flask
import pydantic

from home_llm.api.admission import Admission
from home_llm.api.body import Lenient, read_list
from home_llm.runtime import Runtime


class _Scale(Lenient):
    id: int
    scale: Annotated[float, pydantic.Field(allow_inf_nan=False)]


def create_blueprint(runtime: Runtime, admission: Admission) -> flask.Blueprint:
    """Return the routes."""
    routes = flask.Blueprint("llama_server", __name__)

    @routes.get("/lora-adapters")
    def adapters() -> flask.typing.ResponseReturnValue:
        return flask.jsonify(
            [
                {
                    "id": number,
                    "path": str(adapter.file.path),
                    "scale": adapter.scale,
                    "task_name": adapter.file.task_name,
                    "prompt_prefix": adapter.file.prompt_prefix,
                }
                for number, adapter in enumerate(runtime.adapters())
            ]
        )

    @routes.post("/lora-adapters")
    def scale_adapters() -> flask.typing.ResponseReturnValue:
        scales = {entry.id: entry.scale for entry in read_list(_Scale)}
        with admission.enter():
            runtime.scale_adapters(scales)
        return {"success": True}

    return routes

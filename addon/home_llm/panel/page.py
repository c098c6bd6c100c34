"""A status page for people: what runs, how far a download is, what the log says, and how to connect."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request

SUPERVISOR_ADDRESSES = frozenset({"172.30.32.2"})
"""Who may open the page in Home Assistant: the Supervisor, which has checked the user."""

INGRESS_ADDRESSES = SUPERVISOR_ADDRESSES | {"127.0.0.1"}
"""Who may open it where there is no Supervisor: this machine itself too."""

SETUP_LINK = "https://my.home-assistant.io/redirect/config_flow_start/?domain=home_llm"

STATES = {
    "ok": "Ready",
    "downloading": "Downloading",
    "loading": "Loading",
    "error": "Something is wrong",
    "unloaded": "No model loaded",
}

# Everything comes from this server, also under ingress, where the page is inside a frame of Home Assistant.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def create_panel(
    health: Callable[[], dict[str, object]],
    *,
    log: Callable[[], Sequence[str]] = tuple,
    allowed: frozenset[str] = INGRESS_ADDRESSES,
    api_port: int = 5000,
) -> Flask:
    """Return the web application of the status page.

    Args:
        health: Tells the present state, as `GET /health` does; called at every request, so it must not wait.
        log: Tells the last lines of the log, the oldest first.
        allowed: The client addresses that are let in; all others get 403.
        api_port: The port that other clients connect to, as the page names it.

    """
    panel = Flask(__name__)
    panel.config["TEMPLATES_AUTO_RELOAD"] = False

    @panel.before_request
    def admit() -> None:
        """Refuse whoever has not come through the Supervisor."""
        if request.remote_addr not in allowed:
            abort(403)

    @panel.after_request
    def protect(response: Response) -> Response:
        """Allow the browser only what the page needs, and keep no copy of the state."""
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-cache" if request.endpoint == "static" else "no-store"
        return response

    @panel.get("/")
    def page() -> str:
        """Show the page with the present state in it, so that it says something without scripts too."""
        return render_template(
            "status.html", **_view(health()), states=STATES, setup_link=SETUP_LINK, api_port=api_port, log=log()
        )

    @panel.get("/status.json")
    def status() -> Response:
        """Give the page's script what it shows."""
        return jsonify(health())

    @panel.get("/log.txt")
    def lines() -> Response:
        """Give the page's script the last lines of the log."""
        return Response("".join(f"{line}\n" for line in log()), mimetype="text/plain")

    return panel


def _view(health: dict[str, object]) -> dict[str, Any]:
    """Return a state as the template wants it, without trusting that every field is there."""
    status = str(health.get("status", "error"))
    return {
        "status": status,
        "state": STATES.get(status, status),
        "model": health.get("model"),
        "message": health.get("message") or "",
        "version": health.get("version") or "",
        "download": _progress(health.get("download")),
    }


def _progress(download: object) -> dict[str, Any] | None:
    """Return a download as the page words it, or None where there is none."""
    if not isinstance(download, dict):
        return None
    done, total, percent = (float(download.get(key) or 0) for key in ("done", "total", "percent"))
    size = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB ({percent:.0f} %)"
    return {"file": download.get("file") or "", "percent": percent, "size": size}

"use strict";

// Refreshes the status page. Addresses are relative, so that they hold under any ingress path.
(() => {
  const BUSY = 2000;
  const CALM = 10000;
  const byId = (id) => document.getElementById(id);
  const states = JSON.parse(document.querySelector("main").dataset.states);
  let timer = 0;

  // Writing an unchanged text would make a screen reader say it again.
  const write = (id, text) => {
    if (byId(id).textContent !== text) {
      byId(id).textContent = text;
    }
  };

  const megabytes = (bytes) => ((Number(bytes) || 0) / 1e6).toFixed(0);

  const show = (health) => {
    write("state", states[health.status] || String(health.status));
    byId("state").dataset.status = health.status;
    write("message", health.message || "");
    write("model", health.model || "none");
    write("version", health.version || "");
    const download = health.download;
    byId("download").hidden = !download;
    if (download) {
      const percent = Number(download.percent) || 0;
      write("download-file", download.file || "");
      byId("progress").value = percent;
      write(
        "download-size",
        `${megabytes(download.done)} of ${megabytes(download.total)} MB (${percent.toFixed(0)} %)`,
      );
    }
  };

  const get = async (address) => {
    const response = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (!response.ok) {
      throw new Error(`status ${response.status}`);
    }
    return response;
  };

  const refresh = async () => {
    window.clearTimeout(timer);
    let pause = BUSY;
    try {
      const health = await (await get("status.json")).json();
      show(health);
      // Who does not look at the log does not load it.
      if (byId("log-details").open) {
        write("log", await (await get("log.txt")).text());
      }
      byId("offline").hidden = true;
      pause = health.status === "downloading" || health.status === "loading" ? BUSY : CALM;
    } catch {
      byId("offline").hidden = false;
    }
    window.clearTimeout(timer);
    if (!document.hidden) {
      timer = window.setTimeout(refresh, pause);
    }
  };

  byId("log-details").addEventListener("toggle", refresh);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      refresh();
    }
  });
  refresh();
})();

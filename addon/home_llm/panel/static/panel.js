"use strict";

// Refreshes the status page. Addresses are relative, so that they hold under any ingress path.
(() => {
  const BUSY = 2000;
  const CALM = 5000;
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

  // What the download had at the first look at its file, for its speed.
  let first = { file: "", done: 0, at: 0 };

  const timeLeft = (download) => {
    const now = performance.now();
    if (first.file !== download.file || download.done < first.done) {
      first = { file: download.file, done: download.done, at: now };
    }
    const seconds = (now - first.at) / 1000;
    const speed = (download.done - first.done) / seconds;
    // The first seconds tell little.
    if (seconds < 3 || !(speed > 0)) {
      return "";
    }
    const left = (download.total - download.done) / speed;
    const words = left < 90 ? "about a minute" : left < 5400 ? `about ${Math.round(left / 60)} minutes` : `about ${Math.round(left / 3600)} hours`;
    return `, ${(speed / 1e6).toFixed(1)} MB/s, ${words} left`;
  };

  const showState = (status, text) => {
    write("state", text);
    byId("state").dataset.status = status;
  };

  const show = (health) => {
    showState(health.status, states[health.status] || String(health.status));
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
        `${megabytes(download.done)} of ${megabytes(download.total)} MB (${percent.toFixed(0)} %)${timeLeft(download)}`,
      );
    }
  };

  // The newest line is the last one. Who has scrolled up stays there.
  const showLog = (text) => {
    const log = byId("log");
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
    write("log", text);
    if (atEnd) {
      log.scrollTop = log.scrollHeight;
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
        showLog(await (await get("log.txt")).text());
      }
      byId("offline").hidden = true;
      pause = health.status === "downloading" || health.status === "loading" ? BUSY : CALM;
    } catch {
      // What was true a moment ago may not be.
      showState("offline", "No answer");
      write("message", "");
      byId("download").hidden = true;
      byId("offline").hidden = false;
    }
    window.clearTimeout(timer);
    if (!document.hidden) {
      timer = window.setTimeout(refresh, pause);
    }
  };

  byId("log-details").addEventListener("toggle", () => {
    byId("log").scrollTop = byId("log").scrollHeight;
    refresh();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      refresh();
    }
  });
  refresh();
})();

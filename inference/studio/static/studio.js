// The studio's page: playing, comparing A and B, the keys, dropping files, and what changes often. No dependencies.
"use strict";
(() => {
  let context = null;
  let main = null; // the sound that the next one replaces
  let pair = null; // the two sides of a comparison
  const buffers = new Map();
  const MOST_BUFFERS = 48;
  const log = []; // when knobs were turned and sounds began, for measurements

  function audio() {
    context = context || new AudioContext({ latencyHint: "interactive" });
    if (context.state === "suspended") context.resume();
    return context;
  }
  for (const kind of ["pointerdown", "keydown"]) {
    addEventListener(kind, () => context && audio(), { capture: true, passive: true });
  }

  async function load(url) {
    if (!buffers.has(url)) {
      buffers.set(
        url,
        fetch(url)
          .then((answer) => {
            if (!answer.ok) throw new Error(`no sound at ${url}`);
            return answer.arrayBuffer();
          })
          .then((bytes) => audio().decodeAudioData(bytes)),
      );
      if (buffers.size > MOST_BUFFERS) buffers.delete(buffers.keys().next().value);
    }
    try {
      return await buffers.get(url);
    } catch (error) {
      buffers.delete(url);
      throw error;
    }
  }

  function begin(buffer, gain, loop) {
    const source = audio().createBufferSource();
    const level = audio().createGain();
    source.buffer = buffer;
    source.loop = loop;
    level.gain.value = gain;
    source.connect(level).connect(audio().destination);
    source.start();
    return { source, level };
  }

  function end(sound) {
    if (!sound) return;
    const now = audio().currentTime;
    sound.level.gain.setTargetAtTime(0, now, 0.008); // no click
    sound.source.stop(now + 0.06);
  }

  async function play(url, { chord = false } = {}) {
    const buffer = await load(url);
    if (!chord) stop();
    const sound = begin(buffer, 1, false);
    if (!chord) main = sound;
    log.push({ what: "sound", at: performance.now(), url });
    if (log.length > 2000) log.shift();
  }

  function stop() {
    end(main);
    main = null;
    if (pair) {
      pair.sounds.forEach(end);
      pair = null;
      document.querySelectorAll("[data-side]").forEach((node) => (node.dataset.side = ""));
    }
  }

  function loudness(buffer) {
    let sum = 0;
    let peak = 1e-9;
    for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
      const samples = buffer.getChannelData(channel);
      let square = 0;
      for (const sample of samples) {
        square += sample * sample;
        peak = Math.max(peak, Math.abs(sample));
      }
      sum += square / samples.length;
    }
    return { rms: Math.sqrt(sum / buffer.numberOfChannels) || 1e-9, peak };
  }

  // Both sides run in step, as loud as each other, and one of them is heard.
  async function compare(urls, names) {
    const both = await Promise.all(urls.map(load));
    const loud = both.map(loudness);
    const wanted = Math.min(0.1, ...loud.map(({ rms, peak }) => (0.89 * rms) / peak));
    stop();
    const gains = loud.map(({ rms }) => wanted / rms);
    pair = { sounds: both.map((buffer, k) => begin(buffer, k === 0 ? gains[0] : 0, true)), gains, side: 0, names };
    show();
  }

  function toggle(side) {
    if (!pair) return false;
    pair.side = side ?? 1 - pair.side;
    const now = audio().currentTime;
    pair.sounds.forEach((sound, k) => sound.level.gain.setTargetAtTime(k === pair.side ? pair.gains[k] : 0, now, 0.004));
    show();
    return true;
  }

  function show() {
    document.querySelectorAll("[data-side]").forEach((node) => (node.dataset.side = pair.names[pair.side]));
  }

  // One key compares: the first press starts, the next ones change sides; Escape is silence.
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input,textarea,select,[contenteditable]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") stop();
    if (event.key === "x" && !event.repeat) {
      event.preventDefault();
      if (!toggle()) document.querySelector("[data-compare]")?.click();
    }
    if (event.key === "p" && !event.repeat) document.querySelector("[data-play-patch]")?.click();
  });

  // The keys: buttons with data-key. A letter plays the key that shows it, wherever the focus is in the keys.
  const letters = "awsedftgyhujkolp";
  const held = new Set();
  function press(node) {
    emitEvent("studio-key", { number: Number(node.dataset.key) });
    node.classList.add("down");
    setTimeout(() => node.classList.remove("down"), 180);
  }
  addEventListener("pointerdown", (event) => {
    const node = event.target.closest?.("[data-key]");
    if (node) {
      audio();
      press(node);
    }
  });
  addEventListener("keydown", (event) => {
    const keys = event.target.closest?.("[data-keys]");
    if (!keys || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    const place = letters.indexOf(event.key);
    const own = event.target.closest("[data-key]");
    if (place >= 0 && !held.has(event.key)) {
      held.add(event.key);
      const node = keys.querySelectorAll("[data-key]")[place];
      if (node) press(node);
      event.preventDefault();
      event.stopPropagation();
    } else if (own && (event.key === "Enter" || event.key === " ")) {
      press(own);
      event.preventDefault();
    } else if (own && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
      const all = [...keys.querySelectorAll("[data-key]")];
      const next = all[all.indexOf(own) + (event.key === "ArrowRight" ? 1 : -1)];
      if (next) {
        all.forEach((node) => (node.tabIndex = -1));
        next.tabIndex = 0;
        next.focus();
      }
      event.preventDefault();
    }
  }, { capture: true });
  addEventListener("keyup", (event) => held.delete(event.key));

  // A file that is dropped anywhere goes to the uploader.
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  addEventListener("dragleave", (event) => !event.relatedTarget && document.body.classList.remove("dragging"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dragging");
    const input = document.querySelector(".q-uploader input[type=file]");
    if (input && event.dataTransfer?.files.length && !event.target.closest(".q-uploader")) {
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });

  // Recording with the microphone, as a WAV file, which needs no codec.
  let recorder = null;
  async function record(uploadUrl) {
    if (recorder) {
      recorder.stop();
      return;
    }
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    const pieces = [];
    const media = new MediaRecorder(stream);
    media.ondataavailable = (event) => pieces.push(event.data);
    media.onstop = async () => {
      stream.getTracks().forEach((track) => track.stop());
      recorder = null;
      const sound = await audio().decodeAudioData(await new Blob(pieces).arrayBuffer());
      const form = new FormData();
      form.append("file", new File([wav(sound)], "recording.wav", { type: "audio/wav" }));
      await fetch(uploadUrl, { method: "POST", body: form });
    };
    recorder = media;
    media.start();
    setTimeout(() => recorder === media && media.stop(), 10000);
  }

  function wav(buffer) {
    const channels = buffer.numberOfChannels;
    const bytes = buffer.length * channels * 2;
    const view = new DataView(new ArrayBuffer(44 + bytes));
    const text = (at, value) => [...value].forEach((c, k) => view.setUint8(at + k, c.charCodeAt(0)));
    text(0, "RIFF");
    view.setUint32(4, 36 + bytes, true);
    text(8, "WAVEfmt ");
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true);
    view.setUint16(22, channels, true);
    view.setUint32(24, buffer.sampleRate, true);
    view.setUint32(28, buffer.sampleRate * channels * 2, true);
    view.setUint16(32, channels * 2, true);
    view.setUint16(34, 16, true);
    text(36, "data");
    view.setUint32(40, bytes, true);
    for (let channel = 0; channel < channels; channel++) {
      buffer.getChannelData(channel).forEach((sample, k) => {
        view.setInt16(44 + 2 * (k * channels + channel), Math.max(-1, Math.min(1, sample)) * 32767, true);
      });
    }
    return view.buffer;
  }

  addEventListener("keydown", (event) => {
    const knob = event.target.closest?.("[data-parameter]");
    if (knob) log.push({ what: "turn", at: performance.now(), name: knob.dataset.parameter });
  }, { capture: true, passive: true });

  function put(id, properties) {
    const element = document.getElementById(id);
    if (!element) return;
    for (const [name, value] of Object.entries(properties)) {
      if (value === null) element.removeAttribute(name);
      else if (name in element) element[name] = value;
      else element.setAttribute(name, value);
    }
  }

  window.studio = { play, stop, compare, toggle, record, put, log };
})();

"use strict";
// The viewer: a micrograph, its picks above the threshold, and how many remain. Places are stored pixels; the centre of the
// first pixel is (0, 0), so its left edge is at -0.5.
(() => {
  const { data, of, reaching, threshold, score, typed } = cryogleanPlaces;
  if (!data.views.length) return;
  const part = (name) => document.getElementById(`viewer-${name}`);
  const canvas = part("canvas");
  const context = canvas.getContext("2d");
  const pictures = new Map();
  const shades = new Map();
  const state = { index: 0, scale: 1, left: 0, top: 0, threshold: data.first, hovered: -1, circles: true, shade: true };
  const MAX_SCALE = 24;

  const view = () => data.views[state.index];
  const places = () => of(state.index); // the micrographs shown come first
  const clamped = (value, low, high) => Math.min(Math.max(value, low), high);

  function colour(k) {
    const share = (score(state.index, k) - data.weakest) / Math.max(data.strongest - data.weakest, 1e-9);
    return data.palette[Math.round(clamped(share, 0, 1) * (data.palette.length - 1))];
  }

  const countHere = () => reaching(state.index, state.threshold);

  function picture() {
    if (!pictures.has(state.index)) {
      const image = new Image();
      image.addEventListener("load", draw);
      if (view().image) image.src = view().image;
      pictures.set(state.index, image);
    }
    return pictures.get(state.index);
  }

  function drawShade() {
    const { image, covered } = view().left_out;
    if (!shades.has(state.index)) {
      const loading = new Image();
      loading.addEventListener("load", draw);
      loading.src = image;
      shades.set(state.index, loading);
    }
    const shade = shades.get(state.index);
    if (!shade.complete || !shade.naturalWidth) return;
    context.save();
    context.beginPath();
    context.rect(state.left, state.top, view().size[0] * state.scale, view().size[1] * state.scale);
    context.clip();
    context.imageSmoothingEnabled = false;
    context.drawImage(shade, state.left, state.top, covered[0] * state.scale, covered[1] * state.scale);
    context.restore();
  }

  const wholeScale = () => Math.min(canvas.clientWidth / view().size[0], canvas.clientHeight / view().size[1]);

  function whole() {
    state.scale = wholeScale();
    state.left = (canvas.clientWidth - view().size[0] * state.scale) / 2;
    state.top = (canvas.clientHeight - view().size[1] * state.scale) / 2;
    draw();
  }

  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const scale = clamped(state.scale * factor, wholeScale() / 2, Math.max(MAX_SCALE, wholeScale()));
    state.left = x - (x - state.left) * (scale / state.scale);
    state.top = y - (y - state.top) * (scale / state.scale);
    state.scale = scale;
    draw();
  }

  function move(x, y) {
    state.left += x;
    state.top += y;
    draw();
  }

  const onCanvas = (k) => [
    state.left + (places().x[k] / data.places + 0.5) * state.scale,
    state.top + (places().y[k] / data.places + 0.5) * state.scale,
  ];

  function draw() {
    const density = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
    }
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    const image = picture();
    const [across, down] = view().covered.map((side) => side * state.scale);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    if (image.complete && image.naturalWidth) context.drawImage(image, state.left, state.top, across, down);
    else {
      context.fillStyle = "#262a30";
      context.fillRect(state.left, state.top, view().size[0] * state.scale, view().size[1] * state.scale);
    }
    if (state.shade && view().left_out) drawShade();
    if (state.circles) drawCircles();
    drawScaleBar(width, height);
    Object.assign(canvas.dataset, { scale: state.scale, left: state.left, top: state.top, index: state.index, step: state.threshold });
    canvas.dataset.loaded = String(Boolean(image.complete && image.naturalWidth) || !view().image);
  }

  function drawCircles() {
    const radius = (view().diameter / 2) * state.scale;
    for (let k = countHere() - 1; k >= 0; k -= 1) { // the best on top
      const [x, y] = onCanvas(k);
      context.lineWidth = k === state.hovered ? 3.5 : radius < 8 ? 1 : 1.75;
      context.strokeStyle = colour(k);
      context.beginPath();
      context.arc(x, y, Math.max(radius, 2), 0, 2 * Math.PI);
      context.stroke();
    }
  }

  function drawScaleBar(width, height) {
    if (!data.pixel_size) return;
    const longest = 0.2 * width * (data.pixel_size / state.scale);
    const power = 10 ** Math.floor(Math.log10(longest));
    const length = [5, 2, 1].find((each) => each * power <= longest) * power;
    const across = length / (data.pixel_size / state.scale);
    context.fillStyle = "rgb(16 18 22 / 78%)";
    context.fillRect(width - across - 28, height - 40, across + 20, 32);
    context.fillStyle = "#e8ebee";
    context.fillRect(width - across - 18, height - 17, across, 3);
    context.font = "12px system-ui, sans-serif";
    context.textAlign = "center";
    context.fillText(length >= 10000 ? `${length / 10000} µm` : `${length.toLocaleString("en")} Å`, width - 18 - across / 2, height - 23);
  }

  function showCounts() {
    part("here").textContent = countHere().toLocaleString("en");
    part("here-all").textContent = places().picks.toLocaleString("en");
    part("all").textContent = data.remaining[state.threshold].toLocaleString("en");
    part("all-all").textContent = data.picked.toLocaleString("en");
    part("threshold-value").textContent = threshold(state.threshold).toFixed(3);
    if (data.pick_command) part("command").textContent = data.pick_command.replaceAll(data.threshold_mark, typed(state.threshold));
    canvas.setAttribute("aria-label", `Micrograph ${view().name} with ${countHere()} places, of ${places().picks} picks`);
  }

  function setThreshold(step) {
    state.threshold = step;
    state.hovered = -1;
    showCounts();
    draw();
    document.dispatchEvent(new CustomEvent("cryoglean-threshold", { detail: threshold(step) }));
  }

  function show(index) {
    state.index = clamped(index, 0, data.views.length - 1);
    state.hovered = -1;
    part("choice").value = String(state.index);
    part("previous").disabled = state.index === 0;
    part("next").disabled = state.index === data.views.length - 1;
    part("problem").hidden = !view().problem;
    part("problem").textContent = view().problem ? `The image cannot be shown: ${view().problem}` : "";
    part("readout").textContent = "";
    showCounts();
    whole();
  }

  function nearest(x, y) {
    let [found, smallest] = [-1, (view().diameter / 2) * state.scale];
    for (let k = countHere() - 1; k >= 0; k -= 1) {
      const [px, py] = onCanvas(k);
      const distance = Math.hypot(px - x, py - y);
      if (distance <= smallest) [found, smallest] = [k, distance];
    }
    return found;
  }

  function hover(x, y) {
    const before = state.hovered;
    state.hovered = nearest(x, y);
    const [px, py] = [(x - state.left) / state.scale - 0.5, (y - state.top) / state.scale - 0.5];
    const k = state.hovered;
    part("readout").textContent = k < 0
      ? `x ${px.toFixed(1)}, y ${py.toFixed(1)} px`
      : `${k < places().picks ? "pick" : "candidate"} at x ${(places().x[k] / data.places).toFixed(2)}, y ${(places().y[k] / data.places).toFixed(2)} px, score ${score(state.index, k).toFixed(3)}`;
    if (before !== k) draw();
  }

  // Pointers: one drags, two pinch.
  const pointers = new Map();
  const placeOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, placeOf(event));
    canvas.classList.add("dragging");
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = placeOf(event);
    if (!pointers.has(event.pointerId)) {
      hover(x, y);
      return;
    }
    const [beforeX, beforeY] = pointers.get(event.pointerId);
    pointers.set(event.pointerId, [x, y]);
    if (pointers.size === 1) {
      move(x - beforeX, y - beforeY);
      return;
    }
    const [otherX, otherY] = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const before = Math.hypot(beforeX - otherX, beforeY - otherY);
    zoom(Math.hypot(x - otherX, y - otherY) / Math.max(before, 1), (x + otherX) / 2, (y + otherY) / 2);
  });
  for (const ended of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(ended, (event) => {
      pointers.delete(event.pointerId);
      canvas.classList.toggle("dragging", pointers.size > 0);
    });
  }
  canvas.addEventListener("pointerleave", () => { part("readout").textContent = ""; });
  canvas.addEventListener("dblclick", whole);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 0 ? event.deltaY / 100 : event.deltaY / 3;
    zoom(1.25 ** -clamped(lines, -3, 3), ...placeOf(event));
  }, { passive: false });

  function setCircles(on) {
    state.circles = on;
    part("circles").checked = on;
    draw();
  }

  function setShade(on) {
    state.shade = on;
    part("shade").checked = on;
    draw();
  }

  const keys = {
    p: () => show(state.index - 1),
    n: () => show(state.index + 1),
    c: () => setCircles(!state.circles),
    m: () => setShade(!state.shade),
    "+": () => zoom(1.25),
    "=": () => zoom(1.25),
    "-": () => zoom(0.8),
    0: whole,
    ArrowLeft: () => move(60, 0),
    ArrowRight: () => move(-60, 0),
    ArrowUp: () => move(0, 60),
    ArrowDown: () => move(0, -60),
  };
  const help = part("keys");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (help.open) help.close();
    else help.showModal();
  });
  part("help").addEventListener("click", () => help.showModal());
  part("close").addEventListener("click", () => help.close());
  // Keys are the viewer's while the pointer or the focus is in it; arrows move only from the image itself.
  document.addEventListener("keydown", (event) => {
    const isField = event.target.matches("select, input[type=range]");
    if (help.open || !document.getElementById("viewer").matches(":hover, :focus-within")) return;
    if (event.ctrlKey || event.metaKey || event.altKey || isField || !(event.key in keys)) return;
    if (event.key.startsWith("Arrow") && event.target !== canvas) return;
    event.preventDefault();
    keys[event.key]();
  });

  part("previous").addEventListener("click", keys.p);
  part("next").addEventListener("click", keys.n);
  part("choice").addEventListener("change", (event) => show(Number(event.target.value)));
  part("circles").addEventListener("change", (event) => setCircles(event.target.checked));
  part("shade").addEventListener("change", (event) => setShade(event.target.checked));
  part("in").addEventListener("click", keys["+"]);
  part("out").addEventListener("click", keys["-"]);
  part("fit").addEventListener("click", whole);
  part("threshold").addEventListener("input", (event) => setThreshold(Number(event.target.value)));

  part("copy").addEventListener("click", async () => {
    const text = part("command").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(part("command")); // not allowed here: it is marked, to be copied by hand
      part("copy").textContent = "Marked: copy it";
      return;
    }
    part("copy").textContent = "Copied";
    setTimeout(() => { part("copy").textContent = "Copy"; }, 1500);
  });

  const [lowest, highest] = data.slider; // as far as the colours go
  Object.assign(part("threshold"), { min: lowest, max: highest, value: data.first });
  part("threshold").disabled = !data.picked && !data.has_candidates;
  part("ramp").style.background = `linear-gradient(to right, ${data.palette.filter((_, k) => k % 12 === 0).join(", ")})`;
  part("weakest").textContent = Number(data.weakest.toPrecision(3));
  part("strongest").textContent = Number(data.strongest.toPrecision(3));
  part("apply").hidden = !data.pick_command;
  new ResizeObserver(whole).observe(canvas);
  show(0);
})();

"use strict";
// Places of the micrographs, unpacked when they are first asked for: picks, best first, then candidates, best first.
const cryogleanPlaces = (() => {
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const unpacked = new Map();

  function unpack({ packed, count, picks }) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    return {
      x: new Int32Array(bytes.buffer, 0, count),
      y: new Int32Array(bytes.buffer, 4 * count, count),
      parts: new Uint16Array(bytes.buffer, 8 * count, count),
      picks,
      count,
    };
  }

  function of(index) {
    if (!unpacked.has(index)) unpacked.set(index, unpack(data.micrographs[index]));
    return unpacked.get(index);
  }

  // How many places the threshold leaves; at the job's own one just its picks, which is finer than a step.
  function reaching(index, step) {
    const { parts, picks, count } = of(index);
    if (step === data.first) return picks;
    let [low, high] = [0, count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (parts[middle] >= step * data.parts) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  const threshold = (step) => (step === data.first ? data.own : data.thresholds[step]);
  const score = (index, k) => data.low + (data.high - data.low) * (of(index).parts[k] / (data.parts * (data.thresholds.length - 1)));
  const typed = (step) => String(Number(threshold(step).toFixed(6)));
  return { data, of, reaching, threshold, score, typed };
})();

"use strict";
// The places that the threshold leaves, as a STAR file made here: nothing leaves the machine. Its y counts as RELION does.
(() => {
  const { data, of, reaching, score, typed } = cryogleanPlaces;
  const button = document.getElementById("viewer-save");
  if (!button) return;

  function rowsOf(index, step) {
    const { cell, last_row: lastRow } = data.micrographs[index];
    const { x, y } = of(index);
    return Array.from({ length: reaching(index, step) }, (_, k) => {
      const down = lastRow === null ? y[k] : lastRow * data.places - y[k];
      return `${cell} ${(x[k] / data.places).toFixed(3)} ${(down / data.places).toFixed(3)} ${score(index, k).toFixed(5)}`;
    });
  }

  // A file has one note on how its y counts: it stands where it holds for every micrograph.
  function noteOnRows(written) {
    const rows = new Set(written.map((index) => data.micrographs[index].last_row));
    const [only] = rows;
    return rows.size === 1 && only !== null ? [`# y: last row of ${only + 1}`] : [];
  }

  function starText(step) {
    const written = [...data.micrographs.keys()].filter((index) => data.micrographs[index].cell !== null);
    const columns = ["rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY", "rlnAutopickFigureOfMerit"];
    return [
      `# places that reach ${typed(step)}, chosen in a report of Cryoglean`,
      `# score: ${data.score_kind}`,
      ...noteOnRows(written),
      "",
      "# version 30001",
      "",
      "data_",
      "",
      "loop_",
      ...columns.map((name, k) => `_${name} #${k + 1}`),
      ...written.flatMap((index) => rowsOf(index, step)),
      "",
    ].join("\n");
  }

  button.addEventListener("click", () => {
    const step = Number(document.getElementById("viewer-canvas").dataset.step);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([starText(step)], { type: "text/plain" }));
    link.download = `${data.name}_${typed(step)}.star`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
})();

"use strict";
// Charts: the data come with the page; colours named var(--x) are those of the page, light or dark.
(() => {
  const charts = JSON.parse(document.getElementById("charts-data").textContent);
  // Nothing leaves the page: no button that sends a chart to a server, and no address for it or for maps.
  const config = {
    displaylogo: false,
    showSendToCloud: false,
    plotlyServerURL: "",
    topojsonURL: "data:,",
    responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { format: "svg" },
  };

  function coloured(value, style) {
    if (typeof value === "string") {
      const named = /^var\((--[\w-]+)\)$/.exec(value);
      return named ? style.getPropertyValue(named[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((each) => coloured(each, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, coloured(each, style)]));
  }

  // Widths of charts on paper, which is narrower than a screen: A4 and letter have room for one, or two side by side.
  const PRINTED_PX = { wide: 650, narrow: 310 };

  function layoutOf(chart, place, print) {
    const axis = { gridcolor: "var(--grid)", linecolor: "var(--line)", zerolinecolor: "var(--line)", automargin: true };
    const own = chart.layout;
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: "var(--ink)", size: 12, family: "system-ui, Segoe UI, Helvetica Neue, Arial, DejaVu Sans, sans-serif" },
      showlegend: false,
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 11 } },
      hoverlabel: { bgcolor: "var(--card)", bordercolor: "var(--line)", font: { color: "var(--ink)" }, align: "left" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "var(--soft)", activecolor: "var(--ink)" },
      dragmode: "zoom",
      height: chart.height_px,
      ...(print ? { width: PRINTED_PX[place.closest("#counts") ? "wide" : "narrow"] } : {}),
      ...own,
      margin: { l: 52, r: 12, t: own.showlegend ? 34 : 14, b: 46, ...own.margin },
      xaxis: { ...axis, ...own.xaxis },
      yaxis: { ...axis, ...own.yaxis },
    };
  }

  function draw(print = false) {
    const style = getComputedStyle(document.documentElement);
    for (const chart of charts) {
      const place = document.getElementById(`chart-${chart.name}`);
      Plotly.react(place, coloured(chart.data, style), coloured(layoutOf(chart, place, print), style), config);
    }
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  matchMedia("print").addEventListener("change", ({ matches }) => draw(matches));

  const scores = charts.find((chart) => chart.name === "scores");
  if (scores) {
    document.addEventListener("cryoglean-threshold", (event) => {
      Object.assign(scores.layout.shapes[0], { x0: event.detail, x1: event.detail });
      Plotly.relayout("chart-scores", { "shapes[0].x0": event.detail, "shapes[0].x1": event.detail });
    });
  }
})();

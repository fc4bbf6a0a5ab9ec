"""Files as `relion_refine` leaves them, with made-up numbers, in the layouts of RELION 3.1 to 5."""

import mrcfile
import numpy as np

from particle_stacks import PIXEL, block


def made_up(n=10, k=3, box=12, seed=0):
    """Return numbers of a run: `rows` of particles and of `classes` as RELION's columns, `ssnr` and `stack`."""
    rng = np.random.default_rng(seed)
    rows = {
        "rlnImageName": [f"{i + 1:06d}@Extract/a.mrcs" for i in range(n)],
        "rlnOpticsGroup": [1] * n,
        "rlnClassNumber": [i % (k - 1) + 1 for i in range(n)],
        "rlnAnglePsi": rng.uniform(-180, 180, n).round(6),
        "rlnOriginXAngst": rng.normal(0, 4, n).round(6),
        "rlnOriginYAngst": rng.normal(0, 4, n).round(6),
        "rlnLogLikeliContribution": rng.normal(1000, 5, n).round(6),
        "rlnMaxValueProbDistribution": rng.uniform(0, 1, n).round(6),
        "rlnNrOfSignificantSamples": [3] * n,
    }
    classes = {
        "rlnReferenceImage": [f"{i + 1:06d}@Class2D/job1/run_it002_classes.mrcs" for i in range(k)],
        "rlnClassDistribution": [1 / k] * k,
        "rlnEstimatedResolution": [12.5, *["999.000000"] * (k - 2), "inf"],
        "rlnOverallFourierCompleteness": [1.0, *["-nan"] * (k - 1)],
    }
    ssnr = rng.uniform(0, 9, (k, box // 2 + 1)).round(6)
    return {"rows": rows, "classes": classes, "ssnr": ssnr, "stack": rng.normal(size=(k, box, box)).astype(np.float32)}


def write_run(folder, iteration, run, version=30001, shuffled=None):
    """Write all files of an iteration; with a random generator, rows of particles and all columns are shuffled."""
    folder.mkdir(parents=True, exist_ok=True)

    def table(name, columns, shuffle_rows=False):
        rows = np.array([[str(v) for v in values] for values in columns.values()], dtype=object).T
        names = np.array(list(columns))
        if shuffled is not None:
            order = shuffled.permutation(len(names))
            names, rows = names[order], rows[:, order]
            rows = shuffled.permutation(rows) if shuffle_rows else rows
        text = block(name, names, [" ".join(row) for row in rows])
        return text.replace("version 30001", f"version {version}")

    general = {"rlnCurrentResolution": 11.5, "rlnPixelSize": PIXEL, "rlnLogLikelihood": 1234.5, "rlnNrClasses": 3}
    listed = "".join(f"_{name}   {value}\n" for name, value in general.items())
    curves = [
        table(
            f"model_class_{n}",
            {"rlnSpectralIndex": range(len(curve)), "rlnSsnrMap": curve, "rlnGoldStandardFsc": 0 * curve},
        )
        for n, curve in enumerate(run["ssnr"], start=1)
    ]
    root = f"run_it{iteration:03d}_"
    model = f"# version {version}\n\ndata_model_general\n\n{listed}\n" + table("model_classes", run["classes"])
    (folder / f"{root}model.star").write_text(model + "".join(curves))
    optics = table("optics", {"rlnOpticsGroup": [1], "rlnImagePixelSize": [PIXEL]})
    (folder / f"{root}data.star").write_text(optics + table("particles", run["rows"], shuffle_rows=True))
    (folder / f"{root}optimiser.star").write_text(f"data_optimiser_general\n\n_rlnCurrentIteration {iteration}\n")
    (folder / f"{root}sampling.star").write_text("data_sampling_general\n\n_rlnPsiStep 12\n")
    with mrcfile.new(folder / f"{root}classes.mrcs", overwrite=True) as file:
        file.set_data(run["stack"])
        file.set_image_stack()

"""Names of columns in RELION's STAR files, without the leading underscore, as its `metadata_label.h` has them."""

from cryoglean.micrograph import CTF_MAX_RESOLUTION as CTF_MAX_RESOLUTION
from cryoglean.micrograph import DEFOCUS_U as DEFOCUS_U
from cryoglean.micrograph import DEFOCUS_V as DEFOCUS_V

MICROGRAPH = "rlnMicrographName"
MOVIE = "rlnMicrographMovieName"
ENABLED = "rlnEnabled"
"""Whether a micrograph is used. Format: of Scipion; RELION has no such column."""

COORDINATE_FILE = "rlnMicrographCoordinates"
IMAGE = "rlnImageName"

X = "rlnCoordinateX"
Y = "rlnCoordinateY"
SCORE = "rlnAutopickFigureOfMerit"
CLASS = "rlnClassNumber"
PSI = "rlnAnglePsi"
SPECIES = "cryogleanSpecies"
"""Which species a pick is of, from 1, the largest first. Format: ours; RELION has no such column, and classes are
something else."""

ORIGIN_X = "rlnOriginXAngst"
ORIGIN_Y = "rlnOriginYAngst"
ORIGIN_X_PX = "rlnOriginX"
ORIGIN_Y_PX = "rlnOriginY"
"""Before RELION 3.1, where origins are in pixels of the particle's image."""

GROUP = "rlnOpticsGroup"
GROUP_NAME = "rlnOpticsGroupName"
PIXEL_SIZE = "rlnMicrographPixelSize"
ORIGINAL_PIXEL_SIZE = "rlnMicrographOriginalPixelSize"
"""Of the movie, which motion correction may have binned."""

VOLTAGE = "rlnVoltage"
SPHERICAL_ABERRATION = "rlnSphericalAberration"
AMPLITUDE_CONTRAST = "rlnAmplitudeContrast"
DETECTOR_PIXEL_SIZE = "rlnDetectorPixelSize"
"""In micrometres; before RELION 3.1, with `MAGNIFICATION`."""

ANGSTROM_PER_MICROMETRE = 1e4
"""Format: unit of `DETECTOR_PIXEL_SIZE`."""

MAGNIFICATION = "rlnMagnification"
IMAGE_PIXEL_SIZE = "rlnImagePixelSize"
IMAGE_SIZE = "rlnImageSize"
DIMENSIONALITY = "rlnImageDimensionality"
IMAGE_ID = "rlnImageId"
ORIGINAL_IMAGE_SIZE = "rlnOriginalImageSize"

CTF_IMAGE = "rlnCtfImage"
"""In a table of micrographs the picture of a spectrum; in one of particles a volume, the CTF of a subtomogram."""

PHASE_FLIPPED = "rlnCtfDataArePhaseFlipped"
PREMULTIPLIED = "rlnCtfDataAreCtfPremultiplied"

WHOLE_NUMBERS = frozenset(
    {
        *(IMAGE, GROUP, CLASS, IMAGE_SIZE, DIMENSIONALITY, ENABLED, PHASE_FLIPPED, PREMULTIPLIED),
        *("rlnGroupNumber", "rlnRandomSubset", "rlnHelicalTubeID", "rlnBeamTiltClass", "rlnMicrographId"),
        *(IMAGE_ID, "rlnParticleId", ORIGINAL_IMAGE_SIZE),
    }
)
"""Columns of whole numbers, of yes or no, and of images by their number. *Format*: programs that keep tables in data
frames write 1 as 1.0 in them."""

DEFOCUS_ANGLE = "rlnDefocusAngle"
PHASE_SHIFT = "rlnPhaseShift"
CTF_SCALE = "rlnCtfScalefactor"
CTF_B_FACTOR = "rlnCtfBfactor"
CTF_ASTIGMATISM = "rlnCtfAstigmatism"
CTF_FIGURE_OF_MERIT = "rlnCtfFigureOfMerit"

REFERENCE_IMAGE = "rlnReferenceImage"
SPECTRAL_INDEX = "rlnSpectralIndex"
SIGNAL_TO_NOISE = "rlnSsnrMap"
ESTIMATED_RESOLUTION = "rlnEstimatedResolution"
CURRENT_RESOLUTION = "rlnCurrentResolution"
MODEL_PIXEL_SIZE = "rlnPixelSize"
"""Of the averages, in tables of classes."""

MICROSCOPE = (VOLTAGE, SPHERICAL_ABERRATION, AMPLITUDE_CONTRAST)
"""Parameters of the CTF that belong to the microscope: RELION asks each optics group for them."""

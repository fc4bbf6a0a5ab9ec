"""Names of columns in RELION's STAR files, without the leading underscore. *Format*: `metadata_label.h` of RELION."""

MICROGRAPH = "rlnMicrographName"
X = "rlnCoordinateX"
Y = "rlnCoordinateY"
SCORE = "rlnAutopickFigureOfMerit"
CLASS = "rlnClassNumber"
PSI = "rlnAnglePsi"
COORDINATE_FILE = "rlnMicrographCoordinates"

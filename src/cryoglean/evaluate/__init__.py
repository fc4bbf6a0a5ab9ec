"""Comparison of picks with known particles, and with the image they are said to belong to."""

from cryoglean.evaluate.curve import CurvePoint as CurvePoint
from cryoglean.evaluate.curve import PrecisionRecallCurve as PrecisionRecallCurve
from cryoglean.evaluate.curve import best_threshold as best_threshold
from cryoglean.evaluate.curve import precision_recall_curve as precision_recall_curve
from cryoglean.evaluate.evaluation import Evaluation as Evaluation
from cryoglean.evaluate.evaluation import MicrographCounts as MicrographCounts
from cryoglean.evaluate.evaluation import evaluate_picks as evaluate_picks
from cryoglean.evaluate.matching import Matching as Matching
from cryoglean.evaluate.matching import match as match
from cryoglean.evaluate.metrics import Counts as Counts
from cryoglean.evaluate.metrics import Protocol as Protocol
from cryoglean.evaluate.metrics import count_all as count_all
from cryoglean.evaluate.metrics import count_micrograph as count_micrograph
from cryoglean.evaluate.metrics import share_within as share_within
from cryoglean.evaluate.orientation import Orientation as Orientation
from cryoglean.evaluate.orientation import OrientationCheck as OrientationCheck
from cryoglean.evaluate.orientation import check_orientation as check_orientation

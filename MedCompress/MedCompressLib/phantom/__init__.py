"""A procedural abdominal CT with exact labels: test and demonstration data without a patient.

The anatomy is a set of smooth solids in a 400 x 400 x 150 mm box, drawn slice by slice, so any sampling shows the same
patient. Axes follow LPS: i to the patient's left, j to the back, k to the head; x, y, z in this package are millimeters
along them from the middle of the box.
"""

from .ct import FIELD_OF_VIEW, abdominal_ct, origin, spacing
from .labels import LABELS

__all__ = ["FIELD_OF_VIEW", "LABELS", "abdominal_ct", "origin", "spacing"]

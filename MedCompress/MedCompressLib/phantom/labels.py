"""Values of the label map that comes with the phantom."""

LIVER = 1
TUMOR = 2
VESSEL = 3
LEFT_KIDNEY = 4
RIGHT_KIDNEY = 5
SPINE = 6
SPLEEN = 7
STOMACH = 8

LABELS = {
    LIVER: "liver",
    TUMOR: "liver tumor",
    VESSEL: "vessels",
    LEFT_KIDNEY: "left kidney",
    RIGHT_KIDNEY: "right kidney",
    SPINE: "spine",
    SPLEEN: "spleen",
    STOMACH: "stomach",
}

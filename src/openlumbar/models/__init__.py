"""Networks: their cards, their weights, and how they are run.

ONNX Runtime from 1.29 on reports to its maker by itself (on Linux to
``mobile.events.data.microsoft.com``) from the moment it is loaded. Where patients' images are,
nothing is sent anywhere unasked: :data:`NO_REPORTS` is set before it is loaded, unless the
user has set it.
"""

import os

#: The variable of the environment that keeps ONNX Runtime silent (its release 1.29).
NO_REPORTS = "ORT_DISABLE_TELEMETRY"
os.environ.setdefault(NO_REPORTS, "1")

from openlumbar.models.card import ModelCard, hash_file, read_card  # noqa: E402
from openlumbar.models.classifier import (  # noqa: E402
    Classified,
    Classifier,
    OnnxClassifier,
    load_classifier,
)
from openlumbar.models.predictor import OnnxPredictor, Predictor, load_model  # noqa: E402
from openlumbar.models.role import Role, role_of  # noqa: E402

__all__ = [
    "Classified",
    "Classifier",
    "ModelCard",
    "OnnxClassifier",
    "OnnxPredictor",
    "Predictor",
    "Role",
    "hash_file",
    "load_classifier",
    "load_model",
    "read_card",
    "role_of",
]

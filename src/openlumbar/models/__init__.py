"""Networks: their cards, their weights, and how they are run."""

from openlumbar.models.card import ModelCard, hash_file, read_card
from openlumbar.models.predictor import OnnxPredictor, Predictor, load_model

__all__ = ["ModelCard", "OnnxPredictor", "Predictor", "hash_file", "load_model", "read_card"]

"""The level classifier on slices of phantom people whom training does not see.

They may guide choices; figures for others come from validate_levels.py, on other people.

    python benchmarks/tune_levels.py [--model level] [--people 20]
"""

import argparse
import json

from openlumbar.models import load_classifier
from openlumbar.train.level import axial_segmenter, first_figures

if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", default="level")
    arguments.add_argument("--people", type=int, default=20)
    options = arguments.parse_args()
    classifier = load_classifier(options.model)

    def classify(pictures):
        said = classifier.classify(pictures)
        return said.probability, said.signs

    print(json.dumps(first_figures(classify, options.people, axial_segmenter()), indent=1))

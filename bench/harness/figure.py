"""One figure: both sides' repetitions, their medians and the ratio, as one JSON line."""
import json
import statistics


def median(values):
    return statistics.median(values) if values else None


def rounded(value):
    """Four significant digits: more would pretend a precision that no machine's timing has."""
    return None if value is None else float(f"{value:.4g}")


def print_figure(name, unit, ours, peer, **more):
    """`ours` and `peer` are lists, one number for each repetition. Ratio: ours over the peer's, of the medians."""
    left, right = median(ours), median(peer)
    print(json.dumps({"figure": name, "ours": rounded(left), "peer": rounded(right),
                      "ratio": rounded(left / right) if left is not None and right else None, "unit": unit, "runs": len(ours),
                      **more, "all": {"ours": [rounded(x) for x in ours], "peer": [rounded(x) for x in peer]}}), flush=True)


def arguments_of(parser, argv=None):
    """Adds and parses what every driver takes."""
    default = parser.get_default("repeat") or 5
    parser.add_argument("--repeat", type=int, default=default, help=f"turns of each side (default {default})")
    arguments = parser.parse_args(argv)
    if arguments.repeat < 1:
        parser.error("--repeat: expected 1 at least")
    return arguments

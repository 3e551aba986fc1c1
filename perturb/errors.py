"""The one exception meant for a person's eyes, and what is said to one who stops the work."""

INTERRUPTED = "perturb: interrupted; running the same command again goes on from here."


class UserError(Exception):
    """Input that cannot be used, said in one sentence: what was given, which rule it breaks, what to do.

    The command line prints the sentence without a traceback and exits with code 2.
    """

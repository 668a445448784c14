"""The errors ccsolve raises, one tree.

CcsolveError
├── InvalidProblem      data of a problem, budget or option are bad (a ValueError)
├── Infeasible          the data are sound, but no point satisfies the constraints
├── Unsupported         the method cannot take this problem, size or option
│   └── UnknownMethod   no method of that name
├── InvalidFile         a file is damaged, truncated or of another kind (a ValueError)
├── InvalidStatistics   statistics contradict themselves (a ValueError)
├── MissingStatistics   a part of the statistics was not collected
├── MissingExtra        an optional dependency is not installed (an ImportError)
└── WrongAnswer         a solution does not hold what it claims

Every message is one line: what was given, what was expected, what to do.
"""


class CcsolveError(Exception):
    """Base of every error that ccsolve raises on purpose."""


class InvalidProblem(CcsolveError, ValueError):
    """Data of a problem, a budget or an option are malformed."""


class Infeasible(CcsolveError):
    """The data are sound, but no point satisfies the constraints."""


class Unsupported(CcsolveError):
    """The method cannot take this problem, this size or this option."""


class UnknownMethod(Unsupported):
    """No method of that name exists for the problem."""


class InvalidFile(CcsolveError, ValueError):
    """A file is damaged, truncated, oversized or of another kind or schema."""


class InvalidStatistics(CcsolveError, ValueError):
    """Statistics contradict themselves: shapes, names or values do not fit."""


class MissingStatistics(CcsolveError):
    """A part of the statistics that is needed here was not collected."""


class MissingExtra(CcsolveError, ImportError):
    """An optional dependency is not installed; the message says what to install."""


class WrongAnswer(CcsolveError):
    """A solution does not hold what it claims; a defect of the method."""

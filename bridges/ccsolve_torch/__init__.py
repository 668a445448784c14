"""temporary."""
from ccsolve_torch.collection import collect

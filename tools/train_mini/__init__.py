"""Training of `imgvecd-mini`, the small model that ships with imgvecd; no part of the product."""

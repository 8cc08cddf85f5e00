"""``verify --archive``: a whole export (docs/spec/export.md) checked on every core; all that is damaged is named."""

"""An assistant's instructions as they are kept: templates, the shared draft, published versions, differences."""

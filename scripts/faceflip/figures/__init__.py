"""Every picture that is reported, drawn from tidy tables; `registry` lists them."""

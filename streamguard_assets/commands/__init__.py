"""The thin commands behind `streamguard ...`; each calls the rooms below."""

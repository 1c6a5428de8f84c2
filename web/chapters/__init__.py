"""The chapters of a report on pages: one module a chapter, from stored codes and numbers to what a template shows."""

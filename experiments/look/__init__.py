"""One look at one stage of a pilot: its plan and exact moments in, its report out."""

"""Database migrations: what their SQL would do, as facts that policies judge.

Four steps, each a pure function of the one before it::

    files --reading--> scripts --a parser (plugin)--> actions --state--> facts --gate--> decision

*Reading* knows tools and encodings and no SQL; a *parser* knows one statement's grammar and nothing
of its neighbours; *state* knows what statements before this one have made, and no grammar; and which
facts are dangerous is for the policies to say.
"""

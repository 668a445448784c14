"""The coupling graph: which entries of which tensors can only go together.

Every axis of every parameter and buffer has one atom per entry. The operators of the
exported model are followed once (`follow`), with the atoms of each axis of each value
(`labels`); what an operator ties is logged (`links`) and solved at the end into
classes and groups (`classes`).
"""

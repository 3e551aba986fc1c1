"""The perturbation network m_ψ: what it is, what it minimises, how it is trained, how it is applied."""

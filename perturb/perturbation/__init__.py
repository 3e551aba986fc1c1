"""The perturbation network m_ψ: its architecture, its objectives, its training, and its application to images."""

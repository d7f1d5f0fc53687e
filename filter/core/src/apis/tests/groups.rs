//! Offsets of groups: lane 0 in the group, the others in its shadows.

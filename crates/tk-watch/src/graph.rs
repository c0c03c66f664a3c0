//! Cycles in a graph whose nodes are numbered from zero.

/// The strongly connected component of each node, as a number, and whether the node is on a cycle.
/// (Tarjan's algorithm, with a stack of its own, so that a long chain of waits overflows nothing.)
pub(crate) fn components(edges: &[Vec<usize>]) -> Vec<(usize, bool)> {
    const NEW: usize = usize::MAX;
    let count = edges.len();
    let (mut index, mut low) = (vec![NEW; count], vec![0; count]);
    let mut component = vec![(NEW, false); count];
    let (mut open, mut path) = (Vec::new(), Vec::new());
    let (mut next_index, mut next_component) = (0, 0);
    for root in 0..count {
        if index[root] != NEW {
            continue;
        }
        path.push((root, 0));
        while let Some((node, edge)) = path.last_mut() {
            let node = *node;
            if *edge == 0 {
                (index[node], low[node]) = (next_index, next_index);
                next_index += 1;
                open.push(node);
            }
            if let Some(&to) = edges[node].get(*edge) {
                *edge += 1;
                if index[to] == NEW {
                    path.push((to, 0));
                } else if component[to].0 == NEW {
                    low[node] = low[node].min(index[to]);
                }
                continue;
            }
            path.pop();
            if let Some((before, _)) = path.last() {
                low[*before] = low[*before].min(low[node]);
            }
            if low[node] == index[node] {
                let first = open.iter().rposition(|at| *at == node).expect("it is open");
                let members = open.split_off(first);
                let is_cyclic = members.len() > 1 || edges[node].contains(&node);
                for member in members {
                    component[member] = (next_component, is_cyclic);
                }
                next_component += 1;
            }
        }
    }
    component
}

/// A shortest cycle through this node: the node first, and each leads to the next. `None` if there
/// is no cycle through it.
pub(crate) fn shortest_cycle(edges: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut before = vec![None; edges.len()];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &to in &edges[node] {
            if to == start {
                let back = std::iter::successors(Some(node), |at| before[*at]);
                let mut cycle: Vec<_> = back.collect();
                cycle.reverse();
                return Some(cycle);
            }
            if before[to].is_none() {
                before[to] = Some(node);
                queue.push_back(to);
            }
        }
    }
    None
}

/// The nodes from which one of these is reached, except for these themselves.
pub(crate) fn leading_to(edges: &[Vec<usize>], targets: &[usize]) -> Vec<usize> {
    let mut backward = vec![Vec::new(); edges.len()];
    for (from, tos) in edges.iter().enumerate() {
        tos.iter().for_each(|to| backward[*to].push(from));
    }
    let mut reached = vec![false; edges.len()];
    targets.iter().for_each(|at| reached[*at] = true);
    let mut queue = targets.to_vec();
    let mut found = Vec::new();
    while let Some(node) = queue.pop() {
        for &from in &backward[node] {
            if !std::mem::replace(&mut reached[from], true) {
                found.push(from);
                queue.push(from);
            }
        }
    }
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use tk_testing::Random;

    use super::*;

    /// Which nodes reach which, by brute force.
    fn reach(edges: &[Vec<usize>]) -> Vec<Vec<bool>> {
        let count = edges.len();
        let mut reach = vec![vec![false; count]; count];
        for (from, tos) in edges.iter().enumerate() {
            tos.iter().for_each(|to| reach[from][*to] = true);
        }
        for via in 0..count {
            for from in 0..count {
                for to in 0..count {
                    reach[from][to] |= reach[from][via] && reach[via][to];
                }
            }
        }
        reach
    }

    #[test]
    fn cycles_are_those_that_brute_force_finds() {
        let mut random = Random::new(1);
        for _ in 0..500 {
            let count = 1 + random.below(9) as usize;
            let mut edges = vec![Vec::new(); count];
            for _ in 0..random.below(14) {
                let (from, to) = (random.below(count as u64), random.below(count as u64));
                edges[from as usize].push(to as usize);
            }
            let (reach, components) = (reach(&edges), components(&edges));
            for node in 0..count {
                assert_eq!(components[node].1, reach[node][node], "{edges:?}");
                for other in 0..count {
                    let is_same = node == other || reach[node][other] && reach[other][node];
                    assert_eq!(
                        components[node].0 == components[other].0,
                        is_same,
                        "{edges:?}"
                    );
                }
                let cycle = shortest_cycle(&edges, node);
                assert_eq!(cycle.is_some(), reach[node][node]);
                let cycle = cycle.unwrap_or_default();
                for (at, from) in cycle.iter().enumerate() {
                    assert!(edges[*from].contains(&cycle[(at + 1) % cycle.len()]));
                }
                let leading: Vec<_> = (0..count)
                    .filter(|from| *from != node && reach[*from][node])
                    .collect();
                assert_eq!(leading_to(&edges, &[node]), leading);
            }
        }
    }

    #[test]
    fn a_long_chain_is_no_problem() {
        let count = 200_000;
        let mut edges: Vec<_> = (1..count).map(|next| vec![next]).collect();
        edges.push(vec![0]);
        assert!(components(&edges).iter().all(|(_, is_cyclic)| *is_cyclic));
        assert_eq!(shortest_cycle(&edges, 7).unwrap().len(), count);
    }
}

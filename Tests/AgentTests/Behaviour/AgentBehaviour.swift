import Testing

/// Agents against a peer on a broker of their own, one test at a time: they restart the broker and share the fleet's queues.
@Suite(.serialized) struct AgentBehaviour {}

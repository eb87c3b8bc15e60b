/// The figures that the calculation works with: the reference's, and in their place those of a file, scenario by scenario.
struct CapacityMeasurements: Sendable, Equatable {
  static let reference = CapacityMeasurements()

  /// The file's name, where there is one.
  private(set) var file: String?
  /// The broker that the file was measured with.
  private(set) var broker: BrokerVersion?
  /// What is to be known about the file before one trusts it.
  private(set) var remarks: [String] = []
  private var own: [CapacityFigure: Double] = [:]
  private var ownCores = CapacityReference.cores

  private init() {}

  /// The figures of a file, each scenario whole.
  init(file: String, cores: Int, broker: BrokerVersion?, figures: [CapacityFigure: Double], remarks: [String]) {
    self.file = file
    self.broker = broker
    self.remarks = remarks
    own = figures
    ownCores = cores
  }

  subscript(figure: CapacityFigure) -> Double { own[figure] ?? CapacityReference.figure(figure) }

  /// The cores of the machine that a figure was measured on.
  func cores(of figure: CapacityFigure) -> Int { own[figure] == nil ? CapacityReference.cores : ownCores }

  /// Where a figure comes from: the file's name, or `reference`.
  func origin(of figure: CapacityFigure) -> String { own[figure] == nil ? "reference" : file ?? "reference" }
}

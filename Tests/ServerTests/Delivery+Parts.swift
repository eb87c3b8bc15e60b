@testable import AMQP

extension Delivery {
  /// A delivery as a consumer would be given it.
  init(message: Message, exchange: String, routingKey: String, deliveryTag: UInt64, redelivered: Bool) {
    self.init(
      message: message,
      head: DeliveryHead(
        consumerTag: "consumer", deliveryTag: deliveryTag, redelivered: redelivered, exchange: exchange, routingKey: routingKey))
  }
}
